-- What the ledger's tokens and the wire's bytes say of each other, by client, service and hour. A view only: what it
-- means is judged by appliance/findings/plausible.py.

CREATE VIEW v_plausibility AS
WITH asked AS (
  SELECT CAST(floor(o.ts / 3600) AS BIGINT) AS slot, o.client, o.service, count(*) AS requests,
         coalesce(sum(c.input_tokens), 0) AS input_tokens,
         coalesce(sum(o.request_bytes) FILTER (WHERE c.input_tokens IS NULL), 0) AS untold_bytes
  FROM exchange_open o
  LEFT JOIN (SELECT * FROM exchange_close QUALIFY row_number() OVER (PARTITION BY exchange ORDER BY n) = 1) c
    ON c.exchange = o.exchange
  WHERE o.listener = 'proxy' AND o.service IS NOT NULL
  GROUP BY ALL
), seen AS (
  SELECT CAST(floor(until / 3600) AS BIGINT) AS slot, client, service, sensor, sum(bytes_up) AS bytes_up,
         bool_or(coalesce(at_least, false)) AS at_least
  FROM observations WHERE leg = 'proxy' AND bytes_up IS NOT NULL
  GROUP BY ALL
), wire AS (
  SELECT slot, client, service, max(bytes_up) AS bytes_up, bool_or(at_least) AS at_least FROM seen GROUP BY ALL
)
SELECT make_timestamp(slot * 3600000000) AS hour, client, service, CAST(coalesce(a.requests, 0) AS BIGINT) AS requests,
       CAST(coalesce(a.input_tokens, 0) AS BIGINT) AS input_tokens,
       CAST(coalesce(a.untold_bytes, 0) AS BIGINT) AS untold_bytes, CAST(w.bytes_up AS BIGINT) AS bytes_up,
       coalesce(w.at_least, false) AS at_least
FROM asked a FULL JOIN wire w USING (slot, client, service);

COMMENT ON VIEW v_plausibility IS 'Tokens of the ledger beside bytes that sensors saw on the way to the proxy, by client, service and hour';
COMMENT ON COLUMN v_plausibility.hour IS 'Begin of the hour, UTC; of bytes the hour in which their connection was told of last';
COMMENT ON COLUMN v_plausibility.client IS 'Digest of the client''s address';
COMMENT ON COLUMN v_plausibility.service IS 'Catalogue id of the service';
COMMENT ON COLUMN v_plausibility.requests IS 'Exchanges at the proxy that were opened in the hour';
COMMENT ON COLUMN v_plausibility.input_tokens IS 'Tokens of their prompts, as answers told them';
COMMENT ON COLUMN v_plausibility.untold_bytes IS 'Bytes of those request bodies whose answers told no tokens';
COMMENT ON COLUMN v_plausibility.bytes_up IS 'Bytes from the client to the proxy, of the sensor that saw most; empty: none saw any';
COMMENT ON COLUMN v_plausibility.at_least IS 'The end of a connection was not seen: there may have been more bytes';
