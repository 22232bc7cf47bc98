-- What sensors saw, and findings: what analysts decide about.
-- `observations` is an event table as those of 0001. Findings are derived from event tables and decisions: `folded`
-- tells up to which row number, and changes in the same transaction as the findings, so that no event counts twice or
-- never. `findings` has a key because few rows are written again and again, one by one: among 100,000 one takes 0.4 ms
-- with the key and 2.5 ms without. `finding_parties` has none and is only appended to: with a key 512 new rows take
-- 9 ms, without 1.3 ms; who is known already is kept in memory. How often a party was seen is asked of the event tables.

CREATE TABLE observations (
  n BIGINT NOT NULL,
  producer VARCHAR NOT NULL,
  epoch BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  digest VARCHAR NOT NULL,
  body VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  until DOUBLE NOT NULL,
  taken DOUBLE NOT NULL,
  count BIGINT NOT NULL CHECK (count > 0),
  sensor VARCHAR NOT NULL,
  source VARCHAR NOT NULL,
  seen VARCHAR NOT NULL,
  transport VARCHAR NOT NULL,
  leg VARCHAR NOT NULL,
  client VARCHAR NOT NULL,
  server VARCHAR NOT NULL,
  port INTEGER NOT NULL,
  service VARCHAR NOT NULL,
  category VARCHAR NOT NULL,
  surface VARCHAR NOT NULL,
  confidence DOUBLE NOT NULL,
  name VARCHAR NOT NULL,
  alpn VARCHAR[] NOT NULL,
  ja3 VARCHAR,
  ja4 VARCHAR,
  host VARCHAR,
  path VARCHAR,
  user_agent VARCHAR,
  evidence VARCHAR[] NOT NULL
);

-- Groups of the caller then, one a line: a decision may be scoped to them. As a list, 512 rows would cost 1 ms more.
-- An UPDATE, because its values go to the write-ahead file: a USING clause is evaluated again when that is replayed,
-- where functions on JSON do not exist yet, and the file could not be opened any more.
ALTER TABLE exchange_open ADD COLUMN groups VARCHAR DEFAULT '';
ALTER TABLE exchange_open ALTER COLUMN groups SET NOT NULL;
UPDATE exchange_open SET groups = array_to_string(
  from_json(json_extract(body, '$.event.facts.groups'), '["VARCHAR"]'), chr(10))
WHERE contains(body, '"groups":[');

-- `subject`: catalogue id, or a host where no service is known. `rank`: of the severity, 0 info to 4 critical. `via`:
-- sightings on the way to the appliance. `bypass_last`: the newest sighting past it. `words`: what a search looks
-- through, in lower case. `touched`: when it was last written.
CREATE TABLE findings (
  id VARCHAR PRIMARY KEY,
  kind VARCHAR NOT NULL,
  subject VARCHAR NOT NULL,
  name VARCHAR NOT NULL,
  owner VARCHAR NOT NULL,
  category VARCHAR NOT NULL,
  surface VARCHAR NOT NULL,
  severity VARCHAR NOT NULL,
  rank BIGINT NOT NULL,
  state VARCHAR NOT NULL,
  governance VARCHAR NOT NULL,
  confidence DOUBLE NOT NULL,
  first_seen DOUBLE NOT NULL,
  last_seen DOUBLE NOT NULL,
  bypass_last DOUBLE,
  governed BIGINT NOT NULL,
  via BIGINT NOT NULL,
  bypass BIGINT NOT NULL,
  hints BIGINT NOT NULL,
  people BIGINT NOT NULL,
  hosts BIGINT NOT NULL,
  marked BOOLEAN NOT NULL,
  words VARCHAR NOT NULL,
  decision BIGINT,
  touched DOUBLE NOT NULL
);

-- Who is affected, once each. `kind`: person or host.
CREATE TABLE finding_parties (
  finding VARCHAR NOT NULL,
  digest VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,
  first_seen DOUBLE NOT NULL
);

-- Reasons, each once per suppression interval. `n`: the event's row number.
CREATE TABLE finding_evidence (
  n BIGINT NOT NULL,
  finding VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  source VARCHAR NOT NULL,
  kind VARCHAR NOT NULL,
  client VARCHAR NOT NULL,
  text VARCHAR NOT NULL
);

-- The steps of each finding's state machine, appended only. `decision` NULL: an analyst's mark.
CREATE TABLE finding_states (
  finding VARCHAR NOT NULL,
  ts DOUBLE NOT NULL,
  author VARCHAR NOT NULL,
  before VARCHAR NOT NULL,
  after VARCHAR NOT NULL,
  decision BIGINT,
  reason VARCHAR NOT NULL
);

-- Up to which row number events have become findings. One row.
CREATE TABLE folded (n BIGINT NOT NULL);
INSERT INTO folded VALUES (0);

CREATE VIEW v_findings AS
SELECT id, kind, subject, name, owner, category, surface, severity, state, governance, confidence, first_seen,
       make_timestamp(CAST(first_seen * 1000000 AS BIGINT)) AS first_seen_at, last_seen,
       make_timestamp(CAST(last_seen * 1000000 AS BIGINT)) AS last_seen_at, governed, bypass, hints, people, hosts,
       decision
FROM findings;

CREATE VIEW v_observations AS
SELECT n, producer, epoch, seq, ts, make_timestamp(CAST(ts * 1000000 AS BIGINT)) AS at, until, count, sensor, source,
       seen, transport, leg, client, server, port, service, category, surface, confidence, name, alpn, ja3, ja4, host,
       path, user_agent, evidence
FROM observations;

COMMENT ON VIEW v_findings IS 'What an analyst decides about: one row per kind, subject and surface';
COMMENT ON COLUMN v_findings.id IS 'The same for the same kind, subject and surface for ever';
COMMENT ON COLUMN v_findings.kind IS 'service_in_use, name_disagreement or certificate_rejected';
COMMENT ON COLUMN v_findings.subject IS 'Catalogue id of the service, or a host where no service is known';
COMMENT ON COLUMN v_findings.name IS 'The service''s name';
COMMENT ON COLUMN v_findings.owner IS 'Who runs the service';
COMMENT ON COLUMN v_findings.category IS 'Kind of service, as the catalogue says';
COMMENT ON COLUMN v_findings.surface IS 'By which door it is used: api, web, agent, mcp, assets';
COMMENT ON COLUMN v_findings.severity IS 'info, low, medium, high or critical';
COMMENT ON COLUMN v_findings.state IS 'new, triaged, approved, coached, redirected, blocked or dismissed';
COMMENT ON COLUMN v_findings.governance IS 'governed: through the appliance; bypass: some went past it; unknown';
COMMENT ON COLUMN v_findings.confidence IS 'How sure it is that this is AI use, 0 to 1: the best of its evidence';
COMMENT ON COLUMN v_findings.first_seen IS 'First sign, epoch seconds';
COMMENT ON COLUMN v_findings.first_seen_at IS 'First sign, UTC';
COMMENT ON COLUMN v_findings.last_seen IS 'Newest sign, epoch seconds';
COMMENT ON COLUMN v_findings.last_seen_at IS 'Newest sign, UTC';
COMMENT ON COLUMN v_findings.governed IS 'Exchanges or refusals at the appliance';
COMMENT ON COLUMN v_findings.bypass IS 'Sightings past the appliance';
COMMENT ON COLUMN v_findings.hints IS 'Signs that tell no way, such as a name that was asked for, or that lead to the appliance';
COMMENT ON COLUMN v_findings.people IS 'Persons affected, each counted once';
COMMENT ON COLUMN v_findings.hosts IS 'Client addresses affected, each counted once';
COMMENT ON COLUMN v_findings.decision IS 'Number of the decision that set the state';

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
COMMENT ON COLUMN v_observations.seen IS 'What the name was read from: tls, quic, dns, mdns, llmnr, http';
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

COMMENT ON VIEW v_usage IS 'Sums by hour, service and model';
COMMENT ON COLUMN v_usage.hour IS 'Start of the hour, UTC';
COMMENT ON COLUMN v_usage.service IS 'Catalogue id of the service';
COMMENT ON COLUMN v_usage.model IS 'Model that answered, else the one asked for';
COMMENT ON COLUMN v_usage.exchanges IS 'Exchanges';
COMMENT ON COLUMN v_usage.request_bytes IS 'Bytes of the requests'' bodies';
COMMENT ON COLUMN v_usage.response_bytes IS 'Bytes of the answers'' bodies';
COMMENT ON COLUMN v_usage.input_tokens IS 'Tokens of the requests';
COMMENT ON COLUMN v_usage.output_tokens IS 'Tokens of the answers';
COMMENT ON COLUMN v_usage.cached_tokens IS 'Tokens of the requests that the provider had cached';

COMMENT ON VIEW v_coverage IS 'Where the bytes of request bodies went: structure + scanned + unscanned + opaque = bytes';
COMMENT ON COLUMN v_coverage.service IS 'Catalogue id of the service';
COMMENT ON COLUMN v_coverage.exchanges IS 'Exchanges with a body';
COMMENT ON COLUMN v_coverage.bytes IS 'Bytes of decoded bodies';
COMMENT ON COLUMN v_coverage.structure IS 'Bytes that hold no text: braces, keys, numbers';
COMMENT ON COLUMN v_coverage.scanned IS 'Bytes of text that were scanned';
COMMENT ON COLUMN v_coverage.unscanned IS 'Bytes of text that were not';
COMMENT ON COLUMN v_coverage.opaque IS 'Bytes that cannot be read as text: pictures, sound';
COMMENT ON COLUMN v_coverage.incomplete IS 'Exchanges of which something was not scanned';

COMMENT ON VIEW v_decisions IS 'Analysts'' decisions, appended only; an undo is a new decision';
COMMENT ON COLUMN v_decisions.number IS 'Counts from 1';
COMMENT ON COLUMN v_decisions.ts IS 'When, epoch seconds';
COMMENT ON COLUMN v_decisions.at IS 'When, UTC';
COMMENT ON COLUMN v_decisions.author IS 'System user who decided';
COMMENT ON COLUMN v_decisions.role IS 'admin or analyst';
COMMENT ON COLUMN v_decisions.decision IS 'approve, coach, redirect, block or dismiss';
COMMENT ON COLUMN v_decisions.service IS 'Catalogue id of the service, or the subject of a finding';
COMMENT ON COLUMN v_decisions.surface IS 'Which door; NULL: every one';
COMMENT ON COLUMN v_decisions.route IS 'Where a redirect leads';
COMMENT ON COLUMN v_decisions.reason IS 'Why, in the author''s words';
COMMENT ON COLUMN v_decisions.expires IS 'Until when, epoch seconds; NULL: until undone';
COMMENT ON COLUMN v_decisions.undoes IS 'Number of the decision that this one undoes';
COMMENT ON COLUMN v_decisions.body IS 'The whole record, JSON';
COMMENT ON COLUMN v_decisions.snapshot IS 'Number of the policy snapshot that first carried it';
COMMENT ON COLUMN v_decisions.undone IS 'A later decision has undone it';
