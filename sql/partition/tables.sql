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

INSERT INTO lifecycle.admin_privilege (relation, privileges) VALUES
(
    'partition_policy',
    'INSERT (parent, parent_oid, levels, premake, retention, time_zone, name_format), '
    || 'UPDATE (parent, parent_oid, levels, premake, retention, time_zone, name_format, origin), DELETE'
),
('partition_policy_policy_id_seq', 'USAGE');

SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_policy', '');
SELECT pg_catalog.pg_extension_config_dump('lifecycle.partition_policy_policy_id_seq', '');
