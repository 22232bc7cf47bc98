-- How connections came past the appliance, what else they point to, and how large they were. Rows of before hold none.

ALTER TABLE observations ADD COLUMN cause VARCHAR;
ALTER TABLE observations ADD COLUMN contradicts VARCHAR;
ALTER TABLE observations ADD COLUMN bytes_up BIGINT;
ALTER TABLE observations ADD COLUMN bytes_down BIGINT;
ALTER TABLE observations ADD COLUMN at_least BOOLEAN DEFAULT false;

CREATE OR REPLACE VIEW v_observations AS
SELECT n, producer, epoch, seq, ts, make_timestamp(CAST(ts * 1000000 AS BIGINT)) AS at, until, count, sensor, source,
       seen, transport, leg, client, server, port, service, category, surface, confidence, name, alpn, ja3, ja4, host,
       path, user_agent, evidence, cause, contradicts, bytes_up, bytes_down, at_least
FROM observations;

COMMENT ON VIEW v_observations IS 'What sensors saw on the wire: signs of AI services, repeats summed up';
COMMENT ON COLUMN v_observations.n IS 'Row number in this store';
COMMENT ON COLUMN v_observations.producer IS 'Whose journal the record comes from';
COMMENT ON COLUMN v_observations.epoch IS 'Which life of that producer';
COMMENT ON COLUMN v_observations.seq IS 'Line number in that journal';
COMMENT ON COLUMN v_observations.ts IS 'First sighting that the row stands for, epoch seconds';
COMMENT ON COLUMN v_observations.at IS 'The same, UTC';
COMMENT ON COLUMN v_observations.until IS 'Last sighting that the row stands for, epoch seconds';
COMMENT ON COLUMN v_observations.count IS 'Sightings';
COMMENT ON COLUMN v_observations.sensor IS 'Name of the sensor';
COMMENT ON COLUMN v_observations.source IS 'Interface or capture file';
COMMENT ON COLUMN v_observations.seen IS 'What told it: tls, quic, dns, mdns, llmnr, http; flow: only sizes, of an earlier row';
COMMENT ON COLUMN v_observations.transport IS 'tcp or udp';
COMMENT ON COLUMN v_observations.leg IS 'direct: past the appliance; proxy: to one of its listeners';
COMMENT ON COLUMN v_observations.client IS 'Digest of the client''s address';
COMMENT ON COLUMN v_observations.server IS 'Address that was spoken to; of a question the resolver''s';
COMMENT ON COLUMN v_observations.port IS 'Port that was spoken to';
COMMENT ON COLUMN v_observations.service IS 'Catalogue id of the service';
COMMENT ON COLUMN v_observations.category IS 'Kind of service, as the catalogue says';
COMMENT ON COLUMN v_observations.surface IS 'By which door it is used';
COMMENT ON COLUMN v_observations.confidence IS 'How sure it is that this is AI use, 0 to 1';
COMMENT ON COLUMN v_observations.name IS 'The name that told the service';
COMMENT ON COLUMN v_observations.alpn IS 'Protocols that the client offered';
COMMENT ON COLUMN v_observations.ja3 IS 'Fingerprint of the ClientHello (JA3, MD5)';
COMMENT ON COLUMN v_observations.ja4 IS 'Fingerprint of the ClientHello (JA4)';
COMMENT ON COLUMN v_observations.host IS 'Host of a request in clear';
COMMENT ON COLUMN v_observations.path IS 'Path of a request in clear';
COMMENT ON COLUMN v_observations.user_agent IS 'User agent of a request in clear';
COMMENT ON COLUMN v_observations.evidence IS 'Reasons for the confidence';
COMMENT ON COLUMN v_observations.cause IS 'Why it came past the appliance; NULL: it did not, or the sign tells no way';
COMMENT ON COLUMN v_observations.contradicts IS 'What the same connections point to as well: a service, or `another`';
COMMENT ON COLUMN v_observations.bytes_up IS 'Bytes from the client, where the sizes are known';
COMMENT ON COLUMN v_observations.bytes_down IS 'Bytes to the client, where the sizes are known';
COMMENT ON COLUMN v_observations.at_least IS 'Not every end was seen: the bytes are a lower bound';
