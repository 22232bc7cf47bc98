-- Analysts may also say that they cannot tell. DuckDB changes no CHECK in place, so the table is made anew with its rows.

DROP VIEW v_feedback;

CREATE TABLE feedback_anew (
  number BIGINT NOT NULL,
  ts DOUBLE NOT NULL,
  author VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  exchange VARCHAR,
  finding VARCHAR,
  entity VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,
  verdict VARCHAR NOT NULL CHECK (verdict IN ('right', 'wrong', 'unsure')),
  body VARCHAR NOT NULL,
  digest VARCHAR NOT NULL,
  CHECK ((exchange IS NULL) <> (finding IS NULL))
);

INSERT INTO feedback_anew SELECT * FROM feedback ORDER BY number;
DROP TABLE feedback;
ALTER TABLE feedback_anew RENAME TO feedback;

-- `standing`: the newest word about one entity of one exchange or finding is what counts.
CREATE VIEW v_feedback AS
SELECT f.number, f.ts, make_timestamp(CAST(f.ts * 1000000 AS BIGINT)) AS at, f.author, f.role, f.exchange, f.finding,
       f.entity, f.kind, f.verdict,
       row_number() OVER (PARTITION BY f.exchange, f.finding, f.entity ORDER BY f.number DESC) = 1 AS standing
FROM feedback f;

COMMENT ON VIEW v_feedback IS 'What analysts said of detections: right, wrong or not to be told; appended only';
COMMENT ON COLUMN v_feedback.number IS 'Counts from 1';
COMMENT ON COLUMN v_feedback.ts IS 'When, epoch seconds';
COMMENT ON COLUMN v_feedback.at IS 'When, UTC';
COMMENT ON COLUMN v_feedback.author IS 'System user who said it';
COMMENT ON COLUMN v_feedback.role IS 'admin or analyst';
COMMENT ON COLUMN v_feedback.exchange IS 'Id of the exchange that it is about; NULL: it is about a finding';
COMMENT ON COLUMN v_feedback.finding IS 'Id of the finding that it is about: all of its exchanges';
COMMENT ON COLUMN v_feedback.entity IS 'What was detected, by name';
COMMENT ON COLUMN v_feedback.kind IS 'Class of detection';
COMMENT ON COLUMN v_feedback.verdict IS 'right: it is what it was taken for; wrong: it is not; unsure: cannot tell';
COMMENT ON COLUMN v_feedback.standing IS 'No later word about the same has been said';
