-- Who answered where that is not who was asked, and what each attempt of an exchange came to. `served` is NULL in rows of
-- before, and where the service that was asked has answered. Attempts stand in the text of the close record: few exchanges
-- have more than one, so they have no table of their own.

ALTER TABLE exchange_close ADD COLUMN served VARCHAR;

CREATE VIEW v_attempts AS
SELECT t.exchange, t.ts, make_timestamp(CAST(t.ts * 1000000 AS BIGINT)) AS at, CAST(t.number AS INTEGER) AS number,
       t.a.target AS target, t.a.provider AS provider, coalesce(t.a.service, t.service) AS service,
       coalesce(t.a.model, t.model) AS model, t.a.status AS status, t.a.error AS error, t.a.ms AS ms,
       t.a.sent AS sent, coalesce(t.a.denied, false) AS denied,
       CASE WHEN t.attempts = 1 THEN t.input_tokens WHEN t.a.usage IS NULL THEN NULL
            ELSE coalesce(t.a.usage.input_tokens, 0) END AS input_tokens,
       CASE WHEN t.attempts = 1 THEN t.output_tokens WHEN t.a.usage IS NULL THEN NULL
            ELSE coalesce(t.a.usage.output_tokens, 0) END AS output_tokens,
       CASE WHEN t.attempts = 1 THEN t.usage_estimated
            WHEN t.a.usage IS NULL THEN NULL ELSE coalesce(t.a.usage.estimated, false) END AS usage_estimated,
       CASE WHEN t.attempts = 1 THEN t.cost_micros
            WHEN t.a.cost IS NULL OR NOT coalesce(t.a.cost.priced, true) THEN NULL
            ELSE coalesce(t.a.cost.micros, 0) END AS cost_micros,
       CASE WHEN t.attempts = 1 THEN t.cost_priced
            WHEN t.a.cost IS NULL THEN NULL ELSE coalesce(t.a.cost.priced, true) END AS cost_priced
FROM (
  SELECT l.*, unnest(l.list) AS a, generate_subscripts(l.list, 1) AS number
  FROM (
    SELECT o.exchange, o.ts, o.service, o.model, len(c.list) AS attempts, c.input_tokens, c.output_tokens,
           c.usage_estimated, c.cost_micros, c.cost_priced, c.list
    FROM exchange_open o
    JOIN (
      SELECT *, from_json(json_extract(body, '$.event.attempts'),
        '[{"target":"VARCHAR","status":"INTEGER","error":"VARCHAR","service":"VARCHAR","model":"VARCHAR","ms":"DOUBLE","provider":"VARCHAR","sent":"BOOLEAN","denied":"BOOLEAN","usage":{"input_tokens":"BIGINT","output_tokens":"BIGINT","estimated":"BOOLEAN"},"cost":{"micros":"BIGINT","priced":"BOOLEAN"}}]'
      ) AS list
      FROM exchange_close QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1
    ) c ON c.exchange = o.exchange
  ) l
) t;

COMMENT ON VIEW v_attempts IS 'Every target that was tried for an exchange, and what it used and cost there';
COMMENT ON COLUMN v_attempts.exchange IS 'Id of the exchange';
COMMENT ON COLUMN v_attempts.ts IS 'When the exchange was judged, epoch seconds';
COMMENT ON COLUMN v_attempts.at IS 'The same, UTC';
COMMENT ON COLUMN v_attempts.number IS 'Counts from 1';
COMMENT ON COLUMN v_attempts.target IS 'Host and port';
COMMENT ON COLUMN v_attempts.provider IS 'Its name in the configuration';
COMMENT ON COLUMN v_attempts.service IS 'Catalogue id of the service that is there';
COMMENT ON COLUMN v_attempts.model IS 'Model that was sent';
COMMENT ON COLUMN v_attempts.status IS 'HTTP status; 0: no head of an answer came';
COMMENT ON COLUMN v_attempts.error IS 'Why there was none';
COMMENT ON COLUMN v_attempts.ms IS 'Time to the head of the answer or to the failure, milliseconds';
COMMENT ON COLUMN v_attempts.sent IS 'Whether the request went out; NULL: not recorded then';
COMMENT ON COLUMN v_attempts.denied IS 'A budget had no room for it, so it was not dialled';
COMMENT ON COLUMN v_attempts.input_tokens IS 'Tokens of the request; NULL: none are charged, or nobody knows';
COMMENT ON COLUMN v_attempts.output_tokens IS 'Tokens of the answer';
COMMENT ON COLUMN v_attempts.usage_estimated IS 'The tokens were counted here: the provider told none, but may charge them';
COMMENT ON COLUMN v_attempts.cost_micros IS 'What it cost, millionths of a US dollar; NULL: not known';
COMMENT ON COLUMN v_attempts.cost_priced IS 'Whether its model has a price there; NULL: no tokens';
