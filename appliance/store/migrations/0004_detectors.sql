-- What detectors cost and found, hour by hour, and what analysts said of single findings of theirs.

-- One row for each roll-up of a worker; the lists run in step: the third number of each is about the third name.
CREATE TABLE detector_sums (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  worker VARCHAR NOT NULL,
  since DOUBLE NOT NULL,
  names VARCHAR[] NOT NULL,
  texts BIGINT[] NOT NULL,
  found BIGINT[] NOT NULL,
  seconds DOUBLE[] NOT NULL,
  failed BIGINT[] NOT NULL,
  late BIGINT[] NOT NULL
);

-- Appended only. `digest` is SHA-256 over the digest before it and the body, so that no line can be taken out unseen.
-- Either an exchange or a finding is named; the text that was found is in neither.
CREATE TABLE feedback (
  number BIGINT NOT NULL,
  ts DOUBLE NOT NULL,
  author VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  exchange VARCHAR,
  finding VARCHAR,
  entity VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,
  verdict VARCHAR NOT NULL CHECK (verdict IN ('right', 'wrong')),
  body VARCHAR NOT NULL,
  digest VARCHAR NOT NULL,
  CHECK ((exchange IS NULL) <> (finding IS NULL))
);

CREATE VIEW v_detectors AS
SELECT name, min(since) AS since, max(ts) AS until, CAST(sum(texts) AS BIGINT) AS texts,
       CAST(sum(found) AS BIGINT) AS found, sum(seconds) AS seconds, CAST(sum(failed) AS BIGINT) AS failed,
       CAST(sum(late) AS BIGINT) AS late
FROM (SELECT since, ts, unnest(names) AS name, unnest(texts) AS texts, unnest(found) AS found,
             unnest(seconds) AS seconds, unnest(failed) AS failed, unnest(late) AS late
      FROM detector_sums)
GROUP BY name;

-- `standing`: the newest word about one entity of one exchange or finding is what counts.
CREATE VIEW v_feedback AS
SELECT f.number, f.ts, make_timestamp(CAST(f.ts * 1000000 AS BIGINT)) AS at, f.author, f.role, f.exchange, f.finding,
       f.entity, f.kind, f.verdict,
       row_number() OVER (PARTITION BY f.exchange, f.finding, f.entity ORDER BY f.number DESC) = 1 AS standing
FROM feedback f;

COMMENT ON VIEW v_detectors IS 'What each detector has cost and found, over all workers';
COMMENT ON COLUMN v_detectors.name IS 'Name of the detector';
COMMENT ON COLUMN v_detectors.since IS 'From when on it is counted, epoch seconds';
COMMENT ON COLUMN v_detectors.until IS 'Until when it is counted, epoch seconds';
COMMENT ON COLUMN v_detectors.texts IS 'Texts that it looked at';
COMMENT ON COLUMN v_detectors.found IS 'What it found in them';
COMMENT ON COLUMN v_detectors.seconds IS 'Time that it took';
COMMENT ON COLUMN v_detectors.failed IS 'Texts at which it failed';
COMMENT ON COLUMN v_detectors.late IS 'Texts that it did not finish in time';

COMMENT ON VIEW v_feedback IS 'What analysts said of detections: right or wrong; appended only';
COMMENT ON COLUMN v_feedback.number IS 'Counts from 1';
COMMENT ON COLUMN v_feedback.ts IS 'When, epoch seconds';
COMMENT ON COLUMN v_feedback.at IS 'When, UTC';
COMMENT ON COLUMN v_feedback.author IS 'System user who said it';
COMMENT ON COLUMN v_feedback.role IS 'admin or analyst';
COMMENT ON COLUMN v_feedback.exchange IS 'Id of the exchange that it is about; NULL: it is about a finding';
COMMENT ON COLUMN v_feedback.finding IS 'Id of the finding that it is about: all of its exchanges';
COMMENT ON COLUMN v_feedback.entity IS 'What was detected, by name';
COMMENT ON COLUMN v_feedback.kind IS 'Class of detection';
COMMENT ON COLUMN v_feedback.verdict IS 'right: it is what it was taken for; wrong: it is not';
COMMENT ON COLUMN v_feedback.standing IS 'No later word about the same has been said';
