-- Keys, accounts and programs as columns, so that the day of an attack is answered from columns. Records of before hold
-- theirs in their texts only: `key_columns` has the number of the last of them, and nothing newer is read from its text.

ALTER TABLE exchange_open ADD COLUMN key_fingerprint VARCHAR;
ALTER TABLE exchange_open ADD COLUMN key_shape VARCHAR;
ALTER TABLE exchange_open ADD COLUMN held VARCHAR;
ALTER TABLE exchange_open ADD COLUMN account VARCHAR;
ALTER TABLE exchange_open ADD COLUMN account_id VARCHAR;
ALTER TABLE exchange_open ADD COLUMN client_name VARCHAR;
ALTER TABLE exchange_open ADD COLUMN client_version VARCHAR;
ALTER TABLE exchange_close ADD COLUMN account VARCHAR;
ALTER TABLE exchange_close ADD COLUMN account_id VARCHAR;

CREATE TABLE key_columns (n BIGINT NOT NULL);
INSERT INTO key_columns
SELECT greatest(coalesce((SELECT max(n) FROM exchange_open), 0), coalesce((SELECT max(n) FROM exchange_close), 0));
