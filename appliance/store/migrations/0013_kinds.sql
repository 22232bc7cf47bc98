-- Two more kinds of findings: callers who ask unusually much.

COMMENT ON COLUMN v_findings.kind IS 'service_in_use, name_disagreement, certificate_rejected, compromised, vulnerable, other_model, extraction or flooding';
