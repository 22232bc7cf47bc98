-- Of an exchange that an edge has handed over to this appliance there are two records: the edge's, shipped here, and the
-- one of this appliance, which tells who asked, what was used and what it cost. `handed` is true for the first, which sums
-- leave out; NULL: this appliance tells of it alone.

ALTER TABLE exchange_open ADD COLUMN handed BOOLEAN;

CREATE OR REPLACE VIEW v_spend AS
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
WHERE o.handed IS NOT TRUE
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
