-- What a finding may say has grown: its comment names every kind. No row changes.

COMMENT ON COLUMN v_findings.kind IS 'service_in_use, name_disagreement, certificate_rejected, compromised, vulnerable or other_model';
