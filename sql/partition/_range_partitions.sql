-- All partitions of some tables with their real bounds, in one query. pg_get_expr is called for partitions that were
-- chosen already: OFFSET 0 keeps the planner from decompiling the bounds of every partition in the database.
CREATE FUNCTION lifecycle._range_partitions(parents oid[]) RETURNS SETOF lifecycle.range_partition
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
    WITH chosen AS MATERIALIZED (
        SELECT i.inhparent AS parent, c.oid AS partition, c.relkind, c.relpartbound, a.atttypid AS type
        FROM pg_partitioned_table AS p
        JOIN pg_inherits AS i ON i.inhparent = p.partrelid
        JOIN pg_class AS c ON c.oid = i.inhrelid
        LEFT JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND p.partnatts = 1
        WHERE p.partrelid = ANY (parents) AND p.partstrat = 'r'
        OFFSET 0
    ), rendered AS (
        SELECT c.*, pg_get_expr(c.relpartbound, c.partition) AS bound FROM chosen AS c
    ), ends AS (
        SELECT r.parent, r.partition, r.relkind, r.type, r.bound = 'DEFAULT' AS is_default, e.side,
            coalesce(e.found[1], e.found[2]) AS written
        FROM rendered AS r
        CROSS JOIN LATERAL (VALUES
            ('lower', regexp_match(r.bound, '^FOR VALUES FROM \((?:''([^'']*)''|(M[A-Z]+))\) TO ')),
            ('upper', regexp_match(r.bound, ' TO \((?:''([^'']*)''|(M[A-Z]+))\)$'))
        ) AS e (side, found)
    ), placed AS (
        SELECT e.*, CASE
            WHEN e.written = 'MINVALUE' THEN '-Infinity'::numeric
            WHEN e.written = 'MAXVALUE' THEN 'Infinity'::numeric
            WHEN e.type = 'date'::regtype THEN extract(epoch FROM e.written::date)
            WHEN e.type = 'timestamp'::regtype THEN extract(epoch FROM e.written::timestamp)
            WHEN e.type = 'timestamptz'::regtype THEN extract(epoch FROM e.written::timestamptz)
        END AS place
        FROM ends AS e
    )
    SELECT ROW(l.parent, l.partition, l.relkind::text, l.is_default, l.written, u.written, l.place, u.place)
        ::lifecycle.range_partition
    FROM placed AS l
    JOIN placed AS u ON u.partition = l.partition AND u.side = 'upper'
    WHERE l.side = 'lower'
$fn$;
COMMENT ON FUNCTION lifecycle._range_partitions(oid[]) IS
'The partitions of tables that are partitioned by ranges of time, with their bounds; those of the default partition are
NULL.';
