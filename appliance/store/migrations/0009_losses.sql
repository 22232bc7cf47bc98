-- Seconds in which the kernel dropped packets of a live capture, because nobody read them in time.

-- One row for each record of a sensor; the lists run in step.
CREATE TABLE packet_losses (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  sensor VARCHAR NOT NULL,
  source VARCHAR NOT NULL,
  seconds BIGINT[] NOT NULL,
  dropped BIGINT[] NOT NULL,
  passed BIGINT[] NOT NULL
);

-- A second of which two records tell is one row for each.
CREATE VIEW v_packet_losses AS
SELECT n, ts, sensor, source, unnest(seconds) AS second,
       make_timestamp(unnest(seconds) * 1000000) AS at, unnest(dropped) AS dropped, unnest(passed) AS passed
FROM packet_losses;

COMMENT ON VIEW v_packet_losses IS 'Seconds in which a sensor lost packets; a second without a loss has no row';
COMMENT ON COLUMN v_packet_losses.n IS 'Row number in this store of the record that told it';
COMMENT ON COLUMN v_packet_losses.ts IS 'When it was recorded, epoch seconds';
COMMENT ON COLUMN v_packet_losses.sensor IS 'Name of the sensor';
COMMENT ON COLUMN v_packet_losses.source IS 'Interface';
COMMENT ON COLUMN v_packet_losses.second IS 'Which second, epoch seconds';
COMMENT ON COLUMN v_packet_losses.at IS 'The same, UTC';
COMMENT ON COLUMN v_packet_losses.dropped IS 'Packets that passed the kernel''s filter and were lost';
COMMENT ON COLUMN v_packet_losses.passed IS 'Packets that were read in that second';
