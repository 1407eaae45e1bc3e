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
    ), rendered AS MATERIALIZED (
        -- FOR VALUES FROM ('lower') TO ('upper'): a literal of a time holds no quote itself
        SELECT c.*, string_to_array(pg_get_expr(c.relpartbound, c.partition), '''') AS bound FROM chosen AS c
    ), ends AS (
        SELECT r.parent, r.partition, r.relkind, r.type, r.bound[1] = 'DEFAULT' AS is_default, e.side, e.written
        FROM rendered AS r
        CROSS JOIN LATERAL (VALUES
            ('lower', CASE
                WHEN r.bound[1] LIKE 'FOR VALUES FROM (M%' THEN substr(r.bound[1], 18, 8)
                ELSE r.bound[2]
            END),
            ('upper', CASE
                WHEN r.bound[cardinality(r.bound)] LIKE '%TO (M%' THEN left(right(r.bound[cardinality(r.bound)], 9), 8)
                ELSE r.bound[cardinality(r.bound) - 1]
            END)
        ) AS e (side, written)
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
    -- Both ends side by side by aggregation: a join of the two would be a nested loop over a list without statistics.
    SELECT ROW(p.parent, p.partition, p.relkind::text, p.is_default,
        max(p.written) FILTER (WHERE p.side = 'lower'), max(p.written) FILTER (WHERE p.side = 'upper'),
        max(p.place) FILTER (WHERE p.side = 'lower'), max(p.place) FILTER (WHERE p.side = 'upper'))
        ::lifecycle.range_partition
    FROM placed AS p
    GROUP BY p.parent, p.partition, p.relkind, p.is_default
$fn$;
COMMENT ON FUNCTION lifecycle._range_partitions(oid[]) IS
'The partitions of tables that are partitioned by ranges of time, with their bounds; those of the default partition are
NULL.';
