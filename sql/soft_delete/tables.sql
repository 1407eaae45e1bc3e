-- Who deleted what, when and why: one row a deletion. The rows themselves carry nothing but deleted_at and deletion_id.
-- The trigger functions of a table write here with the rights of the table's owner.
CREATE TABLE lifecycle.deletion (
    deletion_id bigint GENERATED ALWAYS AS IDENTITY,
    table_schema name NOT NULL,
    table_name name NOT NULL,
    table_oid oid NOT NULL,
    row_count bigint NOT NULL DEFAULT 0,
    cascaded jsonb NOT NULL DEFAULT '{}',
    reason text,
    effective_role name,
    jwt_subject text,
    deleted_at timestamptz NOT NULL DEFAULT now(),
    session_role name NOT NULL DEFAULT session_user,
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    origin text NOT NULL DEFAULT lifecycle._origin(),
    restored_at timestamptz,
    restored_by name,
    restored_count bigint NOT NULL DEFAULT 0,
    CONSTRAINT deletion_pkey PRIMARY KEY (deletion_id),
    CONSTRAINT deletion_restored_check CHECK ((restored_count > 0) = (restored_at IS NOT NULL)),
    CONSTRAINT deletion_row_count_check CHECK (row_count >= 0 AND restored_count >= 0)
);
CREATE INDEX deletion_table_idx ON lifecycle.deletion (table_oid, deleted_at);

COMMENT ON TABLE lifecycle.deletion IS
'One row a soft deletion: the table (name and oid), row_count, cascaded (rows touched by foreign
keys, by table), reason (from the setting lifecycle.reason or the
argument), effective_role and session_role, jwt_subject (sub of request.jwt.claims), deleted_at; restored_at,
restored_by and restored_count when rows came back. A role sees the deletions of tables that it may read. A purge takes
away those of which no row is left.

Example: SELECT deletion_id, table_name, row_count, reason FROM lifecycle.deletion ORDER BY deleted_at DESC;';

-- What a deletion has cleared by foreign keys ON DELETE SET NULL and SET DEFAULT, until it is put back.
CREATE TABLE lifecycle.deletion_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY,
    deletion_id bigint NOT NULL,
    table_schema name NOT NULL,
    table_name name NOT NULL,
    table_oid oid NOT NULL,
    constraint_name name NOT NULL,
    row_key jsonb NOT NULL,
    old_values jsonb NOT NULL,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    CONSTRAINT deletion_change_pkey PRIMARY KEY (change_id)
);
CREATE INDEX deletion_change_deletion_id_idx ON lifecycle.deletion_change (deletion_id);

COMMENT ON TABLE lifecycle.deletion_change IS
'One row for each row that a soft deletion has cleared by a foreign key ON DELETE SET NULL or SET DEFAULT: the table,
the foreign key, the primary key of the row, the values it had. A restore puts them back and takes the record away.';

-- Numbers go on from the clock, in milliseconds: an extension that is dropped and made again never hands out a number
-- that rows of an earlier life still carry.
SELECT pg_catalog.setval(
    'lifecycle.deletion_deletion_id_seq',
    (1000 * extract(EPOCH FROM clock_timestamp()))::bigint
);

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'deletion',
    'INSERT (deletion_id, table_schema, table_name, table_oid, row_count, reason, effective_role, jwt_subject), '
    || 'UPDATE (row_count, reason, cascaded, restored_at, restored_by, restored_count), DELETE'
),
('deletion_deletion_id_seq', 'USAGE'),
(
    'deletion_change',
    'INSERT (deletion_id, table_schema, table_name, table_oid, constraint_name, row_key, old_values), DELETE'
);
INSERT INTO lifecycle.routine_purpose (routine, purpose) VALUES
('soft_delete', 'use'),
('soft_delete_many', 'use'),
('soft_delete_where', 'use'),
('restore_many', 'use'),
('_soft_delete_set', 'use'),
('_soft_delete_numbered', 'use'),
('_keys_condition', 'use'),
('restore', 'use'),
('soft_delete_stats', 'use'),
('_deletion_relation', 'use'),
('_soft_delete_columns', 'use'),
('_soft_delete_by', 'use'),
('_may_mark_by_update', 'use'),
('_last_deletion', 'use'),
('_last_cascade', 'use'),
('_follow_foreign_keys', 'use'),
('_soft_delete_sibling', 'use'),
('_soft_delete_routine', 'use'),
('_restore_rows', 'use'),
('_restore_rest', 'use'),
('_key_columns', 'use'),
('_key_json', 'use'),
('_key_where', 'use'),
('_key_text', 'use'),
('_execute', 'use');

INSERT INTO lifecycle.setting_definition (name, default_value, unit, description) VALUES
('large_table', '64', 'MB', 'A larger table gets its indexes by CREATE INDEX CONCURRENTLY, as a pending step.');

SELECT pg_catalog.pg_extension_config_dump('lifecycle.deletion', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.deletion_deletion_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.deletion_change', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.deletion_change_change_id_seq', '');
