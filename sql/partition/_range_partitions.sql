-- All partitions of some tables with their real bounds, in one query. pg_get_expr is called for partitions that were
-- chosen already: OFFSET 0 keeps the planner from decompiling the bounds of every partition in the database. Bounds
-- name no column, so it is called without the partition, which it would have to lock and to describe.
CREATE FUNCTION lifecycle._range_partitions(parents oid[], newest integer DEFAULT NULL)
RETURNS SETOF lifecycle.range_partition LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
    WITH chosen AS MATERIALIZED (
        SELECT i.inhparent AS parent, c.oid AS partition, c.relkind, c.relpartbound, a.atttypid AS type
        FROM pg_partitioned_table AS p
        CROSS JOIN LATERAL (
            SELECT n.inhparent, n.inhrelid FROM pg_inherits AS n WHERE n.inhparent = p.partrelid
            ORDER BY n.inhrelid DESC LIMIT newest
        ) AS i
        JOIN pg_class AS c ON c.oid = i.inhrelid
        LEFT JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND p.partnatts = 1
        WHERE p.partrelid = ANY (parents) AND p.partstrat = 'r'
        OFFSET 0
    ), rendered AS MATERIALIZED (
        -- FOR VALUES FROM ('lower') TO ('upper'): a literal of a time, a number or a UUID holds no quote itself
        SELECT c.*, string_to_array(
            rtrim(substr(replace(pg_get_expr(c.relpartbound, 0), '''', ''), 18), ')'), ') TO ('
        ) AS bound
        FROM chosen AS c
    ), placed AS (
        -- Twice the same: over both ends at once, in a subquery, it would be more than twice the work.
        SELECT r.*,
            CASE
                WHEN r.bound[1] = 'MINVALUE' THEN '-Infinity'::numeric
                WHEN r.bound[1] = 'MAXVALUE' THEN 'Infinity'::numeric
                WHEN r.type = 'date'::regtype THEN extract(epoch FROM r.bound[1]::date)
                WHEN r.type = 'timestamp'::regtype THEN extract(epoch FROM r.bound[1]::timestamp)
                WHEN r.type = 'timestamptz'::regtype THEN extract(epoch FROM r.bound[1]::timestamptz)
                WHEN r.type = 'uuid'::regtype THEN lifecycle._uuid_place(r.bound[1]::uuid)
                WHEN r.type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
                    THEN r.bound[1]::numeric
            END AS lower_place,
            CASE
                WHEN r.bound[2] = 'MINVALUE' THEN '-Infinity'::numeric
                WHEN r.bound[2] = 'MAXVALUE' THEN 'Infinity'::numeric
                WHEN r.type = 'date'::regtype THEN extract(epoch FROM r.bound[2]::date)
                WHEN r.type = 'timestamp'::regtype THEN extract(epoch FROM r.bound[2]::timestamp)
                WHEN r.type = 'timestamptz'::regtype THEN extract(epoch FROM r.bound[2]::timestamptz)
                WHEN r.type = 'uuid'::regtype THEN lifecycle._uuid_place(r.bound[2]::uuid)
                WHEN r.type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
                    THEN r.bound[2]::numeric
            END AS upper_place
        FROM rendered AS r
    )
    SELECT p.parent, p.partition, p.relkind::text, p.bound = '{}', p.bound[1], p.bound[2], p.lower_place, p.upper_place
    FROM placed AS p
$fn$;
COMMENT ON FUNCTION lifecycle._range_partitions(oid[], integer) IS
'The partitions of tables that are partitioned by ranges, with their bounds (NULL of the default
partition); only so many that were made last, where a number is given.';
