CREATE FUNCTION lifecycle.check_partition_sizes(
    target regclass DEFAULT NULL,
    alert_bytes bigint DEFAULT 10737418240
) RETURNS SETOF lifecycle.partition_size LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' AS $fn$
BEGIN
    IF target IS NOT NULL THEN
        PERFORM lifecycle._require_table(target, '{p}');
    END IF;
    PERFORM lifecycle._require_number('alert_bytes', alert_bytes, 0);
    RETURN QUERY
    WITH RECURSIVE tree (root, relation, dated) AS (
        SELECT p.partrelid, p.partrelid, NULL::oid
        FROM pg_partitioned_table AS p
        JOIN pg_class AS c ON c.oid = p.partrelid
        WHERE CASE WHEN target IS NULL THEN NOT c.relispartition ELSE p.partrelid = target::oid END
        UNION ALL
        -- The bounds shown for a leaf are those of its nearest RANGE level.
        SELECT t.root, i.inhrelid, CASE p.partstrat WHEN 'r' THEN i.inhrelid ELSE t.dated END
        FROM tree AS t
        JOIN pg_inherits AS i ON i.inhparent = t.relation
        JOIN pg_partitioned_table AS p ON p.partrelid = i.inhparent
    ), leaf AS MATERIALIZED (
        SELECT t.root, t.dated, c.oid, c.relname, c.relnamespace, c.reltuples, c.relpages,
            coalesce(pg_total_relation_size(c.oid), 0) AS size_bytes,
            CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) / current_setting('block_size')::integer END AS pages
        FROM tree AS t
        JOIN pg_class AS c ON c.oid = t.relation AND c.relkind IN ('r', 'f')
    ), bounded AS (
        SELECT l.*, regexp_match(pg_get_expr(d.relpartbound, 0),
            format('^FOR VALUES FROM \((%1$s)\) TO \((%1$s)\)$', '(?:[^''()]|''(?:[^'']|'''')*'')*')) AS bounds
        FROM leaf AS l
        LEFT JOIN pg_class AS d ON d.oid = l.dated
    )
    SELECT (ROW(
        rn.nspname, r.relname, bn.nspname, b.relname,
        -- One column: the value as it is; several: as they are written in FOR VALUES.
        coalesce(replace((regexp_match(b.bounds[1], '^''((?:[^'']|'''')*)''$'))[1], '''''', ''''), b.bounds[1]),
        coalesce(replace((regexp_match(b.bounds[2], '^''((?:[^'']|'''')*)''$'))[1], '''''', ''''), b.bounds[2]),
        -- As the planner reckons: the density of the last ANALYZE times the present size.
        CASE
            WHEN b.reltuples < 0 THEN nullif(pg_stat_get_live_tuples(b.oid), 0)
            WHEN b.relpages > 0 AND b.pages IS NOT NULL THEN round(b.reltuples::numeric / b.relpages * b.pages)
            ELSE b.reltuples
        END::bigint,
        b.size_bytes,
        round(b.size_bytes / 1073741824.0, 6),
        round(100.0 * b.size_bytes / nullif(sum(b.size_bytes) OVER (PARTITION BY b.root), 0), 2),
        b.size_bytes > alert_bytes
    )::lifecycle.partition_size).*
    FROM bounded AS b
    JOIN pg_namespace AS bn ON bn.oid = b.relnamespace
    JOIN pg_class AS r ON r.oid = b.root
    JOIN pg_namespace AS rn ON rn.oid = r.relnamespace
    ORDER BY rn.nspname, r.relname, b.size_bytes DESC, b.relname;
END
$fn$;
COMMENT ON FUNCTION lifecycle.check_partition_sizes(regclass, bigint) IS
'The size of every partition that holds rows itself, at any depth, in one query.

Arguments: target - only the partitions below this table, default all in the database; alert_bytes - where a partition
is too large, in bytes, default 10 GB (10 * 1024^3 = 10737418240).
Returns: one row a leaf (lifecycle.partition_size): parent_schema, parent_name (the topmost table, or target);
partition_schema, partition_name; lower_bound, upper_bound of the nearest RANGE level, NULL without one and for a
default partition; row_estimate (as the planner reckons; NULL where nothing is known); size_bytes with indexes and
TOAST; size_gb in units of 1024^3 bytes; share of its set in per cent; alert.
Errors: 42809 target is no partitioned table; 22023 alert_bytes.
Example: SELECT partition_name, size_gb, share, alert FROM lifecycle.check_partition_sizes() ORDER BY share DESC;';
