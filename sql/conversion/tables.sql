-- One row a conversion: what was asked for, how far it is. The position is committed with the rows that it stands for,
-- so whatever dies, the next call goes on from there.
CREATE TABLE lifecycle.conversion (
    conversion_id bigint GENERATED ALWAYS AS IDENTITY,
    source text NOT NULL,
    source_oid oid NOT NULL,
    partitioned text NOT NULL,
    partitioned_oid oid NOT NULL,
    old_name name NOT NULL,
    levels jsonb NOT NULL,
    options jsonb NOT NULL,
    key_columns name[] NOT NULL,
    root_key name[] NOT NULL,
    queue text NOT NULL,
    phase text NOT NULL DEFAULT 'copy',
    filenode oid,
    blocks_done bigint NOT NULL DEFAULT 0,
    blocks_total bigint,
    rows_total bigint NOT NULL DEFAULT 0,
    rows_copied bigint NOT NULL DEFAULT 0,
    entries_replayed bigint NOT NULL DEFAULT 0,
    fingerprint jsonb,
    swap_steps jsonb,
    blocked text,
    last_error text,
    last_sqlstate text,
    last_error_at timestamptz,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_by name NOT NULL DEFAULT current_user,
    copy_started_at timestamptz,
    copied_at timestamptz,
    swapped_at timestamptz,
    ended_at timestamptz,
    CONSTRAINT conversion_pkey PRIMARY KEY (conversion_id),
    CONSTRAINT conversion_phase_check
    CHECK (phase IN ('copy', 'index', 'dress', 'ready', 'swapped', 'finished', 'rolled_back')),
    CONSTRAINT conversion_ended_check CHECK ((phase IN ('finished', 'rolled_back')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX conversion_source_key ON lifecycle.conversion (source_oid, origin) WHERE ended_at IS NULL;
COMMENT ON TABLE lifecycle.conversion IS
'One row a conversion of a table into a partitioned one: what was asked for and how far it is. Tables are named by text
and by oid; origin says which database the oids belong to. Read it through lifecycle.monitor_migration().';

CREATE TYPE lifecycle.located_conversion AS (
    conversion lifecycle.conversion,
    source regclass,
    partitioned regclass
);
COMMENT ON TYPE lifecycle.located_conversion IS
'A conversion with its two tables as they are found today: source is the plain one, before and after the swap.';

CREATE TYPE lifecycle.conversion_state AS (
    conversion_id bigint,
    table_schema name,
    table_name name,
    partitioned_name name,
    phase text,
    rows_done bigint,
    rows_total bigint,
    percent numeric,
    rate numeric,
    eta interval,
    queue_entries bigint,
    queue_lag interval,
    remaining text,
    rollback_possible boolean,
    last_error text,
    last_sqlstate text,
    last_error_at timestamptz
);
COMMENT ON TYPE lifecycle.conversion_state IS 'One row of lifecycle.monitor_migration and of lifecycle.convert_step.';

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'conversion',
    'INSERT (source, source_oid, partitioned, partitioned_oid, old_name, levels, options, key_columns, root_key, '
    || 'queue, rows_total, fingerprint), '
    || 'UPDATE (phase, queue, filenode, blocks_done, blocks_total, rows_total, rows_copied, entries_replayed, '
    || 'fingerprint, swap_steps, blocked, last_error, last_sqlstate, last_error_at, copy_started_at, '
    || 'copied_at, swapped_at, ended_at)'
),
('conversion_conversion_id_seq', 'USAGE');

INSERT INTO lifecycle.setting_definition (name, default_value, unit, description) VALUES
('conversion_max_lag', '0', 'ms', 'The copy of a conversion waits while a standby is further behind; 0: never.'),
(
    'conversion_max_wal', '0', 'MB',
    'The copy of a conversion waits while a replication slot holds back more WAL; 0: never.'
),
(
    'conversion_max_queue', '0', 'entries',
    'A conversion that is done with copying replays and does nothing else while its queue is longer; 0: never.'
),
(
    'conversion_share', '100', '%',
    'How much of the time convert_data works; it pauses for the rest after each batch, 10 seconds at most.'
),
('conversion_swap_queue', '1000', 'entries', 'Above so many entries the swap lets go of its lock and replays first.');

INSERT INTO lifecycle.routine_purpose (routine, purpose) VALUES
('monitor_migration', 'use'),
('_conversion_state', 'use'),
('_conversions', 'use'),
('_next_key', 'use'),
('_leaves', 'use'),
('_dropped_keys', 'use'),
('_has_open_keys', 'use'),
('_key_comment', 'use'),
('_pending_view', 'use'),
('_view_dependents', 'use'),
('_beside', 'use'),
('_way_back_problem', 'use'),
('_default_opclass', 'use'),
('_equality', 'use'),
('_column_list', 'use'),
('_step', 'use')
ON CONFLICT ON CONSTRAINT routine_purpose_pkey DO NOTHING;

ALTER TABLE lifecycle.conversion ENABLE ROW LEVEL SECURITY;
CREATE POLICY conversion_read ON lifecycle.conversion FOR SELECT USING (true);
CREATE POLICY conversion_write ON lifecycle.conversion FOR INSERT
WITH CHECK (
    lifecycle._owns_recorded(source_oid, source, origin, false)
    AND lifecycle._owns_recorded(partitioned_oid, partitioned, origin, false)
);
CREATE POLICY conversion_change ON lifecycle.conversion FOR UPDATE
USING (lifecycle._owns_recorded(source_oid, source, origin));

SELECT pg_catalog.pg_extension_config_dump('lifecycle.conversion', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.conversion_conversion_id_seq', '');
