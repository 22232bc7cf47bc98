-- Records of edges and sidecars: their producer begins with `peer.`, then the peer's name and its own producer.

CREATE VIEW v_peers AS
SELECT regexp_extract(producer, '^peer\.(.+)\.[^.]+$', 1) AS peer, count(*) AS exchanges,
       count(DISTINCT service) AS services, min(ts) AS first_ts, max(ts) AS last_ts,
       make_timestamp(CAST(max(ts) * 1000000 AS BIGINT)) AS last_at
FROM exchange_open
WHERE starts_with(producer, 'peer.')
GROUP BY 1;

COMMENT ON VIEW v_peers IS 'Exchanges that edges and sidecars have recorded and shipped here';
COMMENT ON COLUMN v_peers.peer IS 'Name of the peer, as its certificate says it';
COMMENT ON COLUMN v_peers.exchanges IS 'Exchanges with AI services';
COMMENT ON COLUMN v_peers.services IS 'How many different services';
COMMENT ON COLUMN v_peers.first_ts IS 'When the first was judged, epoch seconds';
COMMENT ON COLUMN v_peers.last_ts IS 'When the newest was judged, epoch seconds';
COMMENT ON COLUMN v_peers.last_at IS 'The same, UTC';
