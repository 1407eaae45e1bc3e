-- Who deleted what, when and why: one row a deletion. The rows themselves carry nothing but deleted_at and deletion_id.
-- The trigger functions of a table write here with the rights of the table's owner.
CREATE TABLE lifecycle.deletion (
    deletion_id bigint GENERATED ALWAYS AS IDENTITY,
    table_schema name NOT NULL,
    table_name name NOT NULL,
    table_oid oid NOT NULL,
    row_count bigint NOT NULL DEFAULT 0,
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
'One row a soft deletion: the table (name and oid), row_count, reason (from the setting lifecycle.reason or the
argument), effective_role and session_role, jwt_subject (sub of request.jwt.claims), deleted_at; restored_at,
restored_by and restored_count when rows came back. A role sees the deletions of tables that it may read.';

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
    || 'UPDATE (row_count, restored_at, restored_by, restored_count)'
),
('deletion_deletion_id_seq', 'USAGE');
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
('_may_record', 'use'),
('_soft_delete_columns', 'use'),
('_soft_delete_by', 'use'),
('_may_mark_by_update', 'use'),
('_last_deletion', 'use'),
('_restore_rows', 'use'),
('_key_columns', 'use'),
('_key_json', 'use'),
('_key_where', 'use'),
('_key_text', 'use'),
('_execute', 'use');

INSERT INTO lifecycle.setting_definition (name, default_value, unit, description) VALUES
('large_table', '64', 'MB', 'A larger table gets its indexes by CREATE INDEX CONCURRENTLY, as a pending step.');

SELECT pg_catalog.pg_extension_config_dump('lifecycle.deletion', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.deletion_deletion_id_seq', '');
