-- What exchanges have cost, in millionths of a US dollar, and which virtual key was shown. Rows of before hold none.
-- `cost_micros` is NULL where nothing was counted or no price is known (`cost_priced` tells these apart); views sum what
-- is known and count what is not beside it.

ALTER TABLE exchange_open ADD COLUMN virtual_key VARCHAR;
ALTER TABLE exchange_close ADD COLUMN cost_micros BIGINT;
ALTER TABLE exchange_close ADD COLUMN cost_priced BOOLEAN;
ALTER TABLE exchange_close ADD COLUMN overrun_micros BIGINT;

CREATE OR REPLACE VIEW v_exchanges AS
SELECT o.n, o.producer, o.epoch, o.seq, o.ts, make_timestamp(CAST(o.ts * 1000000 AS BIGINT)) AS at, o.exchange,
       o.worker, o.principal, o.client, o.department, o.identity_method, o.service, o.category, o.surface, o.listener,
       o.route, o.host, o.port, o.method, o.path, o.api, o.model, o.stream, o.request_bytes, o.entities, o.findings,
       o.disposition, o.effective, o.stage, o.rule, o.body_digest, o.sent_digest, o.redactions, o.inspect_ms,
       o.policy_version, o.conversation,
       c.ts AS closed_ts, c.outcome, c.status, c.response_bytes, c.first_byte_ms, c.duration_ms, c.model_served,
       c.input_tokens, c.output_tokens, c.cached_tokens, c.usage_estimated, c.cost_micros, c.cost_priced,
       c.overrun_micros, o.virtual_key, c.attempts, c.reason,
       c.late_entities, c.answer_entities, c.answer_findings, c.answer_redactions, c.tools_called, c.gone_bytes,
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
COMMENT ON COLUMN v_exchanges.late_entities IS 'What was found in the request when it had gone, by name; NULL: it was not read so';
COMMENT ON COLUMN v_exchanges.usage_estimated IS 'The tokens were counted here, because the provider told none';
COMMENT ON COLUMN v_exchanges.cost_micros IS 'What it cost, millionths of a US dollar; NULL: not known';
COMMENT ON COLUMN v_exchanges.cost_priced IS 'Whether its model has a price; NULL: no tokens were used';
COMMENT ON COLUMN v_exchanges.overrun_micros IS 'Of the cost, what lies beyond what budgets had granted';
COMMENT ON COLUMN v_exchanges.virtual_key IS 'Id of the virtual key that the caller showed';

CREATE VIEW v_spend AS
SELECT CAST(make_timestamp(CAST(floor(o.ts / 86400) AS BIGINT) * 86400000000) AS DATE) AS day, o.principal,
       o.department, o.service, coalesce(c.model_served, o.model) AS model, o.virtual_key, count(*) AS exchanges,
       CAST(coalesce(sum(c.input_tokens), 0) AS BIGINT) AS input_tokens,
       CAST(coalesce(sum(c.output_tokens), 0) AS BIGINT) AS output_tokens,
       CAST(coalesce(sum(c.cost_micros), 0) AS BIGINT) AS cost_micros,
       CAST(coalesce(sum(c.overrun_micros), 0) AS BIGINT) AS overrun_micros,
       count(*) FILTER (WHERE NOT c.cost_priced) AS unpriced,
       count(*) FILTER (WHERE c.usage_estimated) AS estimated
FROM exchange_open o
LEFT JOIN (SELECT * FROM exchange_close QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c
  ON c.exchange = o.exchange
GROUP BY ALL;

COMMENT ON VIEW v_spend IS 'What was used and what it cost, by day, user, department, service, model and key';
COMMENT ON COLUMN v_spend.day IS 'Day of the request, UTC';
COMMENT ON COLUMN v_spend.principal IS 'Digest of who asked';
COMMENT ON COLUMN v_spend.department IS 'Department of who asked';
COMMENT ON COLUMN v_spend.service IS 'Catalogue id of the service';
COMMENT ON COLUMN v_spend.model IS 'Model that answered, else the one asked for';
COMMENT ON COLUMN v_spend.virtual_key IS 'Id of the virtual key that the caller showed';
COMMENT ON COLUMN v_spend.exchanges IS 'Exchanges';
COMMENT ON COLUMN v_spend.input_tokens IS 'Tokens of the requests';
COMMENT ON COLUMN v_spend.output_tokens IS 'Tokens of the answers';
COMMENT ON COLUMN v_spend.cost_micros IS 'Cost of those with a known price, millionths of a US dollar';
COMMENT ON COLUMN v_spend.overrun_micros IS 'Of the cost, what lies beyond what budgets had granted';
COMMENT ON COLUMN v_spend.unpriced IS 'Exchanges whose model has no known price: their cost is not in the sum';
COMMENT ON COLUMN v_spend.estimated IS 'Exchanges whose tokens were counted here, because the provider told none';
