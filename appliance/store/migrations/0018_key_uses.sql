-- Which keys were used by whom, without the second record of what an edge has handed over.

CREATE VIEW v_key_uses AS
SELECT o.key_fingerprint, o.key_shape, o.held, o.principal, o.client, o.client_name, o.client_version, o.service,
       coalesce(c.account, o.account) AS account,
       coalesce(c.account_id, o.account_id) AS account_id, count(*) AS exchanges,
       min(o.ts) AS first_seen, max(o.ts) AS last_seen
FROM exchange_open o
LEFT JOIN (SELECT exchange, arg_min(account, n) AS account, arg_min(account_id, n) AS account_id
           FROM exchange_close WHERE account IS NOT NULL GROUP BY exchange) c ON c.exchange = o.exchange
WHERE o.key_fingerprint IS NOT NULL AND o.service IS NOT NULL AND o.handed IS NOT TRUE
GROUP BY ALL;

COMMENT ON VIEW v_key_uses IS 'Which keys with providers were used by whom, by which program and of whose account; of records taken in since keys have columns';
COMMENT ON COLUMN v_key_uses.key_fingerprint IS 'Keyed digest of the key; the key itself is nowhere';
COMMENT ON COLUMN v_key_uses.key_shape IS 'What form the key has';
COMMENT ON COLUMN v_key_uses.held IS 'Name of the credential, where the appliance sent it itself';
COMMENT ON COLUMN v_key_uses.principal IS 'Digest of who asked';
COMMENT ON COLUMN v_key_uses.client IS 'Digest of the client''s address';
COMMENT ON COLUMN v_key_uses.client_name IS 'The program, as it names itself';
COMMENT ON COLUMN v_key_uses.client_version IS 'Its version, likewise';
COMMENT ON COLUMN v_key_uses.service IS 'Catalogue id of the service';
COMMENT ON COLUMN v_key_uses.account IS 'Whose account: corporate, personal, anonymous or unknown; what the provider''s answer says goes first';
COMMENT ON COLUMN v_key_uses.account_id IS 'Keyed digest of that account';
COMMENT ON COLUMN v_key_uses.exchanges IS 'Exchanges';
COMMENT ON COLUMN v_key_uses.first_seen IS 'First of them, epoch seconds';
COMMENT ON COLUMN v_key_uses.last_seen IS 'Last of them, epoch seconds';
