-- First form of the evidence.
-- Event tables are append-only and carry no primary key: with 10 million rows a key on the exchange id makes a batch of
-- 200 inserts some twenty times slower. Doubles are impossible by the high-water mark in `marks`, written in the same
-- transaction as the rows. `n` is the store's own number, one sequence over all event tables: the key of every page.
-- `body` is the exact text that `digest` was taken over (sha256(body) = digest), so the chain can be proven in SQL and
-- any verdict replayed; the other columns are copies of what is filtered by. Times are epoch seconds, sizes bytes.

CREATE TABLE exchange_open (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  exchange VARCHAR NOT NULL,
  worker VARCHAR NOT NULL,
  principal VARCHAR NOT NULL,
  client VARCHAR NOT NULL,
  department VARCHAR,
  identity_method VARCHAR NOT NULL,
  service VARCHAR,
  category VARCHAR,
  surface VARCHAR NOT NULL,
  listener VARCHAR NOT NULL,
  route VARCHAR,
  host VARCHAR NOT NULL,
  port INTEGER NOT NULL,
  method VARCHAR NOT NULL,
  path VARCHAR NOT NULL,
  api VARCHAR,
  model VARCHAR,
  stream BOOLEAN NOT NULL,
  request_bytes BIGINT NOT NULL CHECK (request_bytes >= 0),
  entities VARCHAR[] NOT NULL,
  findings BIGINT NOT NULL,
  disposition VARCHAR NOT NULL,
  effective VARCHAR NOT NULL,
  stage VARCHAR NOT NULL,
  rule VARCHAR,
  body_digest VARCHAR NOT NULL,
  sent_digest VARCHAR NOT NULL,
  redactions BIGINT NOT NULL,
  inspect_ms DOUBLE NOT NULL,
  coverage_length BIGINT,
  coverage_structure BIGINT,
  coverage_scanned BIGINT,
  coverage_unscanned BIGINT,
  coverage_opaque BIGINT,
  policy_version BIGINT NOT NULL,
  conversation VARCHAR,
  -- A body that nobody accounted for cannot be stored as if it had been.
  CHECK (request_bytes = 0 OR coverage_length IS NOT NULL),
  -- The conservation law of appliance.model.detection.Coverage.
  CHECK (coverage_length IS NULL
         OR coverage_length = coverage_structure + coverage_scanned + coverage_unscanned + coverage_opaque)
);

CREATE TABLE exchange_close (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  exchange VARCHAR NOT NULL,
  outcome VARCHAR NOT NULL,
  status INTEGER NOT NULL,
  response_bytes BIGINT NOT NULL CHECK (response_bytes >= 0),
  first_byte_ms DOUBLE,
  duration_ms DOUBLE NOT NULL,
  model_served VARCHAR,
  input_tokens BIGINT,
  output_tokens BIGINT,
  cached_tokens BIGINT,
  cache_write_tokens BIGINT,
  reasoning_tokens BIGINT,
  usage_estimated BOOLEAN,
  coverage_length BIGINT,
  coverage_structure BIGINT,
  coverage_scanned BIGINT,
  coverage_unscanned BIGINT,
  coverage_opaque BIGINT,
  attempts INTEGER NOT NULL,
  reason VARCHAR NOT NULL,
  CHECK (coverage_length IS NULL
         OR coverage_length = coverage_structure + coverage_scanned + coverage_unscanned + coverage_opaque)
);

CREATE TABLE refusals (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  worker VARCHAR NOT NULL,
  reason VARCHAR NOT NULL,
  client VARCHAR NOT NULL,
  principal VARCHAR NOT NULL,
  host VARCHAR NOT NULL,
  port INTEGER NOT NULL,
  detail VARCHAR NOT NULL,
  listener VARCHAR NOT NULL
);

CREATE TABLE notices (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  worker VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  note VARCHAR NOT NULL,
  detail VARCHAR NOT NULL
);

CREATE TABLE tunnels (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  worker VARCHAR NOT NULL,
  tunnels BIGINT NOT NULL,
  bytes_up BIGINT NOT NULL,
  bytes_down BIGINT NOT NULL
);

-- Records whose chain is sound but which fit no table (unknown kind, a law of a table broken): kept whole, never lost.
CREATE TABLE unplaced (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body BLOB NOT NULL,
  ts DOUBLE NOT NULL,
  fault VARCHAR NOT NULL
);

-- What has been taken in from each producer's life: highest sequence number, and the digest there (the chain's head).
CREATE TABLE marks (
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  n BIGINT NOT NULL,
  updated DOUBLE NOT NULL,
  PRIMARY KEY (producer, epoch)
);

-- The only place of clear names and addresses; events hold the digests.
CREATE TABLE persons (
  digest VARCHAR PRIMARY KEY,
  value VARCHAR NOT NULL,
  first_seen DOUBLE NOT NULL,
  last_seen DOUBLE NOT NULL
);

-- Who erased which person when; events older than `ts` never bring the value back.
CREATE TABLE erasures (
  digest VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  author VARCHAR NOT NULL
);

CREATE TABLE decisions (
  number BIGINT NOT NULL,
  ts DOUBLE NOT NULL,
  author VARCHAR NOT NULL,
  role VARCHAR NOT NULL,
  decision VARCHAR NOT NULL,
  service VARCHAR NOT NULL,
  surface VARCHAR,
  route VARCHAR,
  reason VARCHAR NOT NULL,
  expires DOUBLE,
  undoes BIGINT,
  body VARCHAR NOT NULL,
  snapshot BIGINT NOT NULL
);

CREATE TABLE snapshots (
  version BIGINT NOT NULL,
  ts DOUBLE NOT NULL,
  content BLOB NOT NULL
);

-- An exchange with its end; outcome NULL: still running. Should two closes name one exchange, the first one counts.
CREATE VIEW v_exchanges AS
SELECT o.n, o.producer, o.epoch, o.seq, o.ts, make_timestamp(CAST(o.ts * 1000000 AS BIGINT)) AS at, o.exchange,
       o.worker, o.principal, o.client, o.department, o.identity_method, o.service, o.category, o.surface, o.listener,
       o.route, o.host, o.port, o.method, o.path, o.api, o.model, o.stream, o.request_bytes, o.entities, o.findings,
       o.disposition, o.effective, o.stage, o.rule, o.body_digest, o.sent_digest, o.redactions, o.inspect_ms,
       o.policy_version, o.conversation,
       c.ts AS closed_ts, c.outcome, c.status, c.response_bytes, c.first_byte_ms, c.duration_ms, c.model_served,
       c.input_tokens, c.output_tokens, c.cached_tokens, c.attempts, c.reason,
       json_extract(o.body, '$.event.facts') AS facts,
       json_extract(o.body, '$.event.verdict') AS verdict,
       json_extract(o.body, '$.event.facts.coverage') AS coverage,
       json_extract(c.body, '$.event.coverage') AS response_coverage
FROM exchange_open o
LEFT JOIN (SELECT * FROM exchange_close QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c
  ON c.exchange = o.exchange;

CREATE VIEW v_usage AS
SELECT make_timestamp(CAST(floor(o.ts / 3600) AS BIGINT) * 3600000000) AS hour, o.service,
       coalesce(c.model_served, o.model) AS model, count(*) AS exchanges, sum(o.request_bytes) AS request_bytes,
       sum(c.response_bytes) AS response_bytes, sum(c.input_tokens) AS input_tokens,
       sum(c.output_tokens) AS output_tokens, sum(c.cached_tokens) AS cached_tokens
FROM exchange_open o
LEFT JOIN (SELECT * FROM exchange_close QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c
  ON c.exchange = o.exchange
GROUP BY ALL;

CREATE VIEW v_coverage AS
SELECT service, count(*) AS exchanges, sum(coverage_length) AS bytes, sum(coverage_structure) AS structure,
       sum(coverage_scanned) AS scanned, sum(coverage_unscanned) AS unscanned, sum(coverage_opaque) AS opaque,
       count(*) FILTER (WHERE coverage_unscanned + coverage_opaque > 0) AS incomplete
FROM exchange_open
WHERE coverage_length IS NOT NULL
GROUP BY service;

CREATE VIEW v_decisions AS
SELECT d.*, make_timestamp(CAST(d.ts * 1000000 AS BIGINT)) AS at,
       EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.number) AS undone
FROM decisions d;
