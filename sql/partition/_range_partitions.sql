-- All partitions of some tables with their real bounds, in one query. pg_get_expr is called for partitions that were
-- chosen already: OFFSET 0 keeps the planner from decompiling the bounds of every partition in the database.
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
            rtrim(substr(replace(pg_get_expr(c.relpartbound, c.partition), '''', ''), 18), ')'), ') TO ('
        ) AS bound
        FROM chosen AS c
    ), placed AS (
        SELECT r.*, ARRAY(
            SELECT CASE
                WHEN e.written = 'MINVALUE' THEN '-Infinity'::numeric
                WHEN e.written = 'MAXVALUE' THEN 'Infinity'::numeric
                WHEN r.type = 'date'::regtype THEN extract(epoch FROM e.written::date)
                WHEN r.type = 'timestamp'::regtype THEN extract(epoch FROM e.written::timestamp)
                WHEN r.type = 'timestamptz'::regtype THEN extract(epoch FROM e.written::timestamptz)
                WHEN r.type = 'uuid'::regtype THEN lifecycle._uuid_place(e.written::uuid)
                WHEN r.type IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
                    THEN e.written::numeric
            END
            FROM unnest(r.bound) WITH ORDINALITY AS e (written, side) ORDER BY e.side
        ) AS place
        FROM rendered AS r
    )
    SELECT ROW(p.parent, p.partition, p.relkind::text, p.bound = '{}', p.bound[1], p.bound[2], p.place[1], p.place[2])
        ::lifecycle.range_partition
    FROM placed AS p
$fn$;
COMMENT ON FUNCTION lifecycle._range_partitions(oid[], integer) IS
'The partitions of tables that are partitioned by ranges, with their bounds (NULL of the default
partition); only so many that were made last, where a number is given.';
