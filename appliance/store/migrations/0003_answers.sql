-- What answers carried, and coverage as a duty: a verdict that nobody covered cannot be stored.
-- A CHECK cannot be added to a table that is there, so `exchange_close` is made anew. Rows of before hold no findings of
-- answers, because answers were not scanned; where they hold no coverage, all of the answer counts as not scanned.

CREATE TABLE exchange_close_new (
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
  answer_entities VARCHAR[] NOT NULL,
  answer_findings BIGINT NOT NULL,
  answer_redactions BIGINT NOT NULL,
  tools_called VARCHAR[] NOT NULL,
  gone_bytes BIGINT,
  sent_bytes BIGINT NOT NULL CHECK (sent_bytes >= 0),
  sent_unscanned BIGINT NOT NULL CHECK (sent_unscanned BETWEEN 0 AND sent_bytes),
  -- An answer that nobody accounted for cannot be stored as if it had been.
  CHECK (response_bytes = 0 OR coverage_length IS NOT NULL),
  -- The conservation law of appliance.model.detection.Coverage.
  CHECK (coverage_length IS NULL
         OR coverage_length = coverage_structure + coverage_scanned + coverage_unscanned + coverage_opaque)
);
UPDATE exchange_close SET coverage_length = response_bytes, coverage_structure = 0, coverage_scanned = 0,
  coverage_unscanned = response_bytes, coverage_opaque = 0
WHERE coverage_length IS NULL AND response_bytes > 0;
INSERT INTO exchange_close_new
SELECT n, producer, epoch, seq, digest, body, ts, exchange, outcome, status, response_bytes, first_byte_ms,
  duration_ms, model_served, input_tokens, output_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
  usage_estimated, coverage_length, coverage_structure, coverage_scanned, coverage_unscanned, coverage_opaque,
  attempts, reason, [], 0, 0, [], NULL, 0, 0
FROM exchange_close;
DROP TABLE exchange_close;
ALTER TABLE exchange_close_new RENAME TO exchange_close;

UPDATE exchange_open SET coverage_length = 0, coverage_structure = 0, coverage_scanned = 0, coverage_unscanned = 0,
  coverage_opaque = 0
WHERE coverage_length IS NULL;
ALTER TABLE exchange_open ALTER COLUMN coverage_length SET NOT NULL;
ALTER TABLE exchange_open ALTER COLUMN coverage_structure SET NOT NULL;
ALTER TABLE exchange_open ALTER COLUMN coverage_scanned SET NOT NULL;
ALTER TABLE exchange_open ALTER COLUMN coverage_unscanned SET NOT NULL;
ALTER TABLE exchange_open ALTER COLUMN coverage_opaque SET NOT NULL;

-- `answer_entities`: what was found in the answer, by name. `gone_bytes`: how much of the answer had gone when a detector
-- that comes late spoke. `sent_bytes`: what the client sent after the opening, such as sound on a WebSocket; what it sent
-- with the opening is `request_bytes`.
CREATE OR REPLACE VIEW v_exchanges AS
SELECT o.n, o.producer, o.epoch, o.seq, o.ts, make_timestamp(CAST(o.ts * 1000000 AS BIGINT)) AS at, o.exchange,
       o.worker, o.principal, o.client, o.department, o.identity_method, o.service, o.category, o.surface, o.listener,
       o.route, o.host, o.port, o.method, o.path, o.api, o.model, o.stream, o.request_bytes, o.entities, o.findings,
       o.disposition, o.effective, o.stage, o.rule, o.body_digest, o.sent_digest, o.redactions, o.inspect_ms,
       o.policy_version, o.conversation,
       c.ts AS closed_ts, c.outcome, c.status, c.response_bytes, c.first_byte_ms, c.duration_ms, c.model_served,
       c.input_tokens, c.output_tokens, c.cached_tokens, c.attempts, c.reason,
       c.answer_entities, c.answer_findings, c.answer_redactions, c.tools_called, c.gone_bytes,
       c.sent_bytes, c.sent_unscanned,
       json_extract(o.body, '$.event.facts') AS facts,
       json_extract(o.body, '$.event.verdict') AS verdict,
       json_extract(o.body, '$.event.facts.coverage') AS coverage,
       json_extract(c.body, '$.event.coverage') AS response_coverage
FROM exchange_open o
LEFT JOIN (SELECT * FROM exchange_close QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c
  ON c.exchange = o.exchange;

COMMENT ON VIEW v_exchanges IS 'Every exchange with an AI service through the appliance, with its end';
COMMENT ON COLUMN v_exchanges.n IS 'Row number in this store';
COMMENT ON COLUMN v_exchanges.producer IS 'Whose journal the record comes from';
COMMENT ON COLUMN v_exchanges.epoch IS 'Which life of that producer';
COMMENT ON COLUMN v_exchanges.seq IS 'Line number in that journal';
COMMENT ON COLUMN v_exchanges.ts IS 'When it was judged, epoch seconds';
COMMENT ON COLUMN v_exchanges.at IS 'The same, UTC';
COMMENT ON COLUMN v_exchanges.exchange IS 'Id of the exchange';
COMMENT ON COLUMN v_exchanges.worker IS 'Which proxy worker handled it';
COMMENT ON COLUMN v_exchanges.principal IS 'Digest of who asked';
COMMENT ON COLUMN v_exchanges.client IS 'Digest of the client''s address';
COMMENT ON COLUMN v_exchanges.department IS 'Department of who asked';
COMMENT ON COLUMN v_exchanges.identity_method IS 'How it is known who asked: none, basic, address';
COMMENT ON COLUMN v_exchanges.service IS 'Catalogue id of the service';
COMMENT ON COLUMN v_exchanges.category IS 'Kind of service, as the catalogue says';
COMMENT ON COLUMN v_exchanges.surface IS 'By which door it was used';
COMMENT ON COLUMN v_exchanges.listener IS 'proxy or gateway';
COMMENT ON COLUMN v_exchanges.route IS 'Route of the gateway';
COMMENT ON COLUMN v_exchanges.host IS 'Host that was asked for';
COMMENT ON COLUMN v_exchanges.port IS 'Port that was asked for';
COMMENT ON COLUMN v_exchanges.method IS 'HTTP method';
COMMENT ON COLUMN v_exchanges.path IS 'Path without its query';
COMMENT ON COLUMN v_exchanges.api IS 'Kind of call, such as openai.chat';
COMMENT ON COLUMN v_exchanges.model IS 'Model that was asked for';
COMMENT ON COLUMN v_exchanges.stream IS 'The answer was asked for as a stream';
COMMENT ON COLUMN v_exchanges.request_bytes IS 'Size of the request''s body';
COMMENT ON COLUMN v_exchanges.entities IS 'What was found in the request, by name';
COMMENT ON COLUMN v_exchanges.findings IS 'How often something was found in the request';
COMMENT ON COLUMN v_exchanges.disposition IS 'What policy said';
COMMENT ON COLUMN v_exchanges.effective IS 'What was done: in stage observe at most observe';
COMMENT ON COLUMN v_exchanges.stage IS 'observe or enforce';
COMMENT ON COLUMN v_exchanges.rule IS 'The rule or decision that decided';
COMMENT ON COLUMN v_exchanges.body_digest IS 'SHA-256 of the body as it came';
COMMENT ON COLUMN v_exchanges.sent_digest IS 'SHA-256 of the body as it went on';
COMMENT ON COLUMN v_exchanges.redactions IS 'How many places were hidden';
COMMENT ON COLUMN v_exchanges.inspect_ms IS 'Time that inspection took, milliseconds';
COMMENT ON COLUMN v_exchanges.policy_version IS 'Number of the policy snapshot';
COMMENT ON COLUMN v_exchanges.conversation IS 'Digest that joins the exchanges of one conversation';
COMMENT ON COLUMN v_exchanges.closed_ts IS 'When it ended, epoch seconds';
COMMENT ON COLUMN v_exchanges.outcome IS 'How it ended; NULL: still running';
COMMENT ON COLUMN v_exchanges.status IS 'HTTP status of the answer';
COMMENT ON COLUMN v_exchanges.response_bytes IS 'Size of the answer''s body';
COMMENT ON COLUMN v_exchanges.first_byte_ms IS 'Time to the first byte of the answer, milliseconds';
COMMENT ON COLUMN v_exchanges.duration_ms IS 'Time to the end, milliseconds';
COMMENT ON COLUMN v_exchanges.model_served IS 'Model that answered';
COMMENT ON COLUMN v_exchanges.input_tokens IS 'Tokens of the request';
COMMENT ON COLUMN v_exchanges.output_tokens IS 'Tokens of the answer';
COMMENT ON COLUMN v_exchanges.cached_tokens IS 'Tokens of the request that the provider had cached';
COMMENT ON COLUMN v_exchanges.attempts IS 'How many targets were tried';
COMMENT ON COLUMN v_exchanges.reason IS 'Why it ended as it did';
COMMENT ON COLUMN v_exchanges.facts IS 'Everything that policy saw, JSON';
COMMENT ON COLUMN v_exchanges.verdict IS 'Everything that policy said, JSON';
COMMENT ON COLUMN v_exchanges.coverage IS 'Where every byte of the request''s body went, JSON';
COMMENT ON COLUMN v_exchanges.response_coverage IS 'Where every byte of the answer''s body went, JSON';
COMMENT ON COLUMN v_exchanges.answer_entities IS 'What was found in the answer, by name';
COMMENT ON COLUMN v_exchanges.answer_findings IS 'How often something was found in the answer';
COMMENT ON COLUMN v_exchanges.answer_redactions IS 'How many places of the answer were hidden';
COMMENT ON COLUMN v_exchanges.tools_called IS 'Functions that the answer calls';
COMMENT ON COLUMN v_exchanges.gone_bytes IS 'Bytes of the answer that had gone when a late detector spoke';
COMMENT ON COLUMN v_exchanges.sent_bytes IS 'Bytes that the client sent after the opening, as on a WebSocket';
COMMENT ON COLUMN v_exchanges.sent_unscanned IS 'How many of these were not scanned';
