-- What ought to stand. What stands, the catalogs say; lifecycle.validate_partitions() compares the two.
CREATE TABLE lifecycle.partition_policy (
    policy_id bigint GENERATED ALWAYS AS IDENTITY,
    parent text NOT NULL,
    parent_oid oid NOT NULL,
    levels jsonb NOT NULL,
    premake integer NOT NULL,
    retention text,
    time_zone text NOT NULL,
    name_format text,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    managed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    managed_by name NOT NULL DEFAULT current_user,
    CONSTRAINT partition_policy_pkey PRIMARY KEY (policy_id),
    CONSTRAINT partition_policy_parent_key UNIQUE (parent_oid, origin),
    CONSTRAINT partition_policy_levels_check CHECK (jsonb_typeof(levels) = 'array'),
    CONSTRAINT partition_policy_premake_check CHECK (premake BETWEEN 0 AND 1000)
);
COMMENT ON TABLE lifecycle.partition_policy IS
'One row a managed table: its levels from itself downwards, how many partitions ahead, how long they are kept. Tables
below it follow it, unless they have a row of their own. It is named by text and by oid; origin says which database the
oid belongs to.';

CREATE TABLE lifecycle.partition_dimension (
    dimension_id bigint GENERATED ALWAYS AS IDENTITY,
    parent text NOT NULL,
    parent_oid oid NOT NULL,
    dimension text NOT NULL,
    dimension_oid oid NOT NULL,
    consumer name NOT NULL,
    routine name NOT NULL,
    path_columns name[] NOT NULL,
    has_predicate boolean NOT NULL,
    at_once boolean NOT NULL,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    followed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    followed_by name NOT NULL DEFAULT current_user,
    CONSTRAINT partition_dimension_pkey PRIMARY KEY (dimension_id),
    CONSTRAINT partition_dimension_dimension_key UNIQUE (parent_oid, dimension_oid, origin),
    CONSTRAINT partition_dimension_path_columns_check CHECK (cardinality(path_columns) > 0)
);
COMMENT ON TABLE lifecycle.partition_dimension IS
'One row a table that says which subtrees a managed table ought to have: consumer names the capture that queues its
changes, routine the function in lifecycle_data that returns what it asks for. Tables are named by text and by oid;
origin says which database the oids belong to.';

CREATE TABLE lifecycle.partition_leaf_key (
    parent text NOT NULL,
    parent_oid oid NOT NULL,
    key_name name NOT NULL,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    kept_by name NOT NULL DEFAULT current_user,
    CONSTRAINT partition_leaf_key_pkey PRIMARY KEY (parent_oid, key_name, origin)
);
COMMENT ON TABLE lifecycle.partition_leaf_key IS
'One row a unique key that each partition of a partitioned table has for itself, since it lacks the partition keys. What
it is like is read from a partition that has it. The table is named by text and by oid; origin says which database the
oid belongs to.';

-- A look that found nothing to do, so that the next one need not read the bounds again. Not dumped: it is made anew.
CREATE TABLE lifecycle.partition_state (
    parent_oid oid NOT NULL,
    signature numeric NOT NULL,
    covered_from numeric NOT NULL,
    covered_to numeric NOT NULL,
    ahead_to numeric NOT NULL,
    seen_by name NOT NULL DEFAULT current_user,
    CONSTRAINT partition_state_pkey PRIMARY KEY (parent_oid, seen_by)
);
COMMENT ON TABLE lifecycle.partition_state IS
'What a role last found of a managed table: from where to where its partitions have no hole, as long as its partitions
are these (signature of their rows in pg_inherits). Nobody relies on what another role has written.';
ALTER TABLE lifecycle.partition_state ENABLE ROW LEVEL SECURITY;
CREATE POLICY partition_state_own ON lifecycle.partition_state USING (seen_by = current_user);

-- What these say is done by the next maintenance of the owner.
ALTER TABLE lifecycle.partition_policy ENABLE ROW LEVEL SECURITY;
CREATE POLICY partition_policy_read ON lifecycle.partition_policy FOR SELECT USING (true);
CREATE POLICY partition_policy_write ON lifecycle.partition_policy
USING (lifecycle._owns_recorded(parent_oid, parent, origin))
WITH CHECK (lifecycle._owns_recorded(parent_oid, parent, origin, false));

ALTER TABLE lifecycle.partition_dimension ENABLE ROW LEVEL SECURITY;
CREATE POLICY partition_dimension_read ON lifecycle.partition_dimension FOR SELECT USING (true);
CREATE POLICY partition_dimension_write ON lifecycle.partition_dimension
USING (lifecycle._owns_recorded(parent_oid, parent, origin))
WITH CHECK (
    lifecycle._owns_recorded(parent_oid, parent, origin, false)
    AND lifecycle._owns_recorded(dimension_oid, dimension, origin, false)
);

ALTER TABLE lifecycle.partition_leaf_key ENABLE ROW LEVEL SECURITY;
CREATE POLICY partition_leaf_key_read ON lifecycle.partition_leaf_key FOR SELECT USING (true);
CREATE POLICY partition_leaf_key_write ON lifecycle.partition_leaf_key
USING (lifecycle._owns_recorded(parent_oid, parent, origin))
WITH CHECK (lifecycle._owns_recorded(parent_oid, parent, origin, false));

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'partition_state',
    'INSERT (parent_oid, signature, covered_from, covered_to, ahead_to), '
    || 'UPDATE (signature, covered_from, covered_to, ahead_to), DELETE'
),
(
    'partition_dimension',
    'INSERT (parent, parent_oid, dimension, dimension_oid, consumer, routine, path_columns, has_predicate, at_once), '
    || 'DELETE'
),
('partition_dimension_dimension_id_seq', 'USAGE'),
('partition_leaf_key', 'INSERT (parent, parent_oid, key_name), UPDATE (parent), DELETE'),
(
    'partition_policy',
    'INSERT (parent, parent_oid, levels, premake, retention, time_zone, name_format), '
    || 'UPDATE (parent, levels, premake, retention, time_zone, name_format), DELETE'
),
('partition_policy_policy_id_seq', 'USAGE');

SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_dimension', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_dimension_dimension_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_leaf_key', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_policy', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_policy_policy_id_seq', '');

-- How far the partitions are that replace others: see sql/partition/_rewrite.sql.
CREATE TABLE lifecycle.partition_rewrite (
    staging text NOT NULL,
    kind text NOT NULL,
    parent text NOT NULL,
    parent_oid oid NOT NULL,
    sources text[] NOT NULL,
    queues text[] NOT NULL,
    filenodes oid[] NOT NULL,
    blocks_done bigint[] NOT NULL,
    blocks_total bigint[] NOT NULL,
    rows_copied bigint NOT NULL DEFAULT 0,
    analyzed boolean NOT NULL DEFAULT false,
    origin text NOT NULL DEFAULT lifecycle._origin(),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_by name NOT NULL DEFAULT current_user,
    CONSTRAINT partition_rewrite_pkey PRIMARY KEY (staging),
    CONSTRAINT partition_rewrite_kind_check CHECK (kind IN ('split', 'merge', 'drain'))
);
COMMENT ON TABLE lifecycle.partition_rewrite IS
'One row a rewrite of partitions that is under way: the partitions that are replaced (sources), the table under which
the new ones stand meanwhile (staging), the queues of changed keys, and how many blocks are copied. It goes when the
partitions have changed places.';

INSERT INTO lifecycle.setting_definition (name, default_value, unit, description) VALUES
(
    'detach_concurrently', 'off', 'off | on',
    'Whether old partitions are detached with CONCURRENTLY, as top-level steps, where there is no default partition.'
),
(
    'partition_rewrite_at_once', '8', 'MB',
    'Partitions up to this size are split, merged or drained in one transaction, under the lock.'
),
(
    'partition_rewrite_backlog', '10000', 'rows',
    'The exchange of partitions gives up its locks when more changed rows than this are left to copy.'
);

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'partition_rewrite',
    'INSERT (staging, kind, parent, parent_oid, sources, queues, filenodes, blocks_done, blocks_total), '
    || 'UPDATE (filenodes, blocks_done, blocks_total, rows_copied, analyzed), DELETE'
);

ALTER TABLE lifecycle.partition_rewrite ENABLE ROW LEVEL SECURITY;
CREATE POLICY partition_rewrite_read ON lifecycle.partition_rewrite FOR SELECT USING (true);
CREATE POLICY partition_rewrite_write ON lifecycle.partition_rewrite
USING (lifecycle._owns_recorded(parent_oid, parent, origin))
WITH CHECK (lifecycle._owns_recorded(parent_oid, parent, origin, false));

SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_rewrite', '');
