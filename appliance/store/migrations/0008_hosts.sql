-- The hosts of the local network. `host_records` is an event table as those of 0001; `hosts` is what they come to, one
-- row each, and changes in the same transaction. It has no key: the rows of a batch are taken out and put in anew, and
-- with a key a row that is deleted cannot come back in the same transaction. a batch takes 5 ms among 60,000 hosts.

CREATE TABLE host_records (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  until DOUBLE NOT NULL,
  taken DOUBLE NOT NULL,
  sensor VARCHAR NOT NULL,
  source VARCHAR NOT NULL,
  address VARCHAR NOT NULL,
  mac VARCHAR,
  vendor VARCHAR NOT NULL,
  names VARCHAR[] NOT NULL,
  told_by VARCHAR[] NOT NULL,
  system VARCHAR NOT NULL,
  router BOOLEAN NOT NULL
);

-- `touched`: when the store heard of it last, which is what its age is told from.
CREATE TABLE hosts (
  address VARCHAR NOT NULL,
  mac VARCHAR,
  vendor VARCHAR NOT NULL,
  names VARCHAR[] NOT NULL,
  told_by VARCHAR[] NOT NULL,
  system VARCHAR NOT NULL,
  router BOOLEAN NOT NULL,
  source VARCHAR NOT NULL,
  first_seen DOUBLE NOT NULL,
  last_seen DOUBLE NOT NULL,
  touched DOUBLE NOT NULL
);

CREATE VIEW v_hosts AS
WITH wire AS (
  SELECT client AS address, min(ts) AS first_seen, max(until) AS last_seen, list_sort(list(DISTINCT service)) AS services,
         sum(count) FILTER (leg = 'direct' AND seen IN ('tls', 'quic', 'http')) AS past, sum(bytes_up) AS bytes_up,
         sum(bytes_down) AS bytes_down, bool_or(coalesce(at_least, false)) AS at_least
  FROM observations GROUP BY client
), through AS (
  SELECT client AS address, min(ts) AS first_seen, max(ts) AS last_seen, count(*) AS exchanges,
         list_sort(list(DISTINCT service) FILTER (service IS NOT NULL)) AS services
  FROM exchange_open GROUP BY client
), known AS (
  SELECT address FROM hosts UNION SELECT address FROM wire UNION SELECT address FROM through
), told AS (
  SELECT k.address, h.mac, coalesce(h.vendor, '') AS vendor, coalesce(h.names, []) AS names,
         coalesce(h.told_by, []) AS told_by, coalesce(h.system, '') AS system, coalesce(h.router, false) AS router,
         least(h.first_seen, w.first_seen, t.first_seen) AS first_seen,
         greatest(h.last_seen, w.last_seen, t.last_seen) AS last_seen,
         list_sort(list_distinct(list_concat(coalesce(w.services, []), coalesce(t.services, [])))) AS services,
         CAST(coalesce(t.exchanges, 0) AS BIGINT) AS exchanges, CAST(coalesce(w.past, 0) AS BIGINT) AS past,
         CAST(coalesce(w.bytes_up, 0) AS BIGINT) AS bytes_up, CAST(coalesce(w.bytes_down, 0) AS BIGINT) AS bytes_down,
         coalesce(w.at_least, false) AS at_least
  FROM known k LEFT JOIN hosts h ON h.address = k.address LEFT JOIN wire w ON w.address = k.address
  LEFT JOIN through t ON t.address = k.address
)
SELECT address, mac, vendor, names, told_by, system, router, first_seen,
       make_timestamp(CAST(first_seen * 1000000 AS BIGINT)) AS first_seen_at, last_seen,
       make_timestamp(CAST(last_seen * 1000000 AS BIGINT)) AS last_seen_at, services, exchanges, past, bytes_up,
       bytes_down, at_least
FROM told;

COMMENT ON VIEW v_hosts IS 'Hosts of the local network, and all whose use of AI services was seen';
COMMENT ON COLUMN v_hosts.address IS 'Digest of the host''s address';
COMMENT ON COLUMN v_hosts.mac IS 'Digest of its hardware address; NULL: not known';
COMMENT ON COLUMN v_hosts.vendor IS 'Who made it, by the hardware address; random: an address that was made up';
COMMENT ON COLUMN v_hosts.names IS 'Digests of what it is called, the newest last';
COMMENT ON COLUMN v_hosts.told_by IS 'What told each of the names: dhcp, dhcp6, mdns, llmnr, netbios, tls';
COMMENT ON COLUMN v_hosts.system IS 'What software it says it has';
COMMENT ON COLUMN v_hosts.router IS 'It is seen behind a router, whose hardware address is not its own';
COMMENT ON COLUMN v_hosts.first_seen IS 'First sign that is still kept, epoch seconds';
COMMENT ON COLUMN v_hosts.first_seen_at IS 'The same, UTC';
COMMENT ON COLUMN v_hosts.last_seen IS 'Newest sign, epoch seconds';
COMMENT ON COLUMN v_hosts.last_seen_at IS 'The same, UTC';
COMMENT ON COLUMN v_hosts.services IS 'Catalogue ids of the services that it used, or asked for';
COMMENT ON COLUMN v_hosts.exchanges IS 'Exchanges through the appliance';
COMMENT ON COLUMN v_hosts.past IS 'Sightings past the appliance';
COMMENT ON COLUMN v_hosts.bytes_up IS 'Bytes to AI services, of the connections whose sizes a sensor saw';
COMMENT ON COLUMN v_hosts.bytes_down IS 'Bytes from AI services, of the connections whose sizes a sensor saw';
COMMENT ON COLUMN v_hosts.at_least IS 'Not every end was seen: the bytes are a lower bound';
