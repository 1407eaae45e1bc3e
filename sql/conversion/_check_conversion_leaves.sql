-- How many partitions the rows of today will fill. Of a large table a sample is read: then it is the least number.
CREATE FUNCTION lifecycle._check_conversion_leaves(target regclass, levels jsonb[]) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_pages constant integer := 100000;
    v_share float8;
    v_leaves numeric;
    v_locks numeric;
    v_slots constant numeric := current_setting('max_locks_per_transaction')::numeric
        * (current_setting('max_connections')::numeric + current_setting('max_prepared_transactions')::numeric);
    v_rows float4;
BEGIN
    SELECT least(1, v_pages / greatest(pg_relation_size(target) / current_setting('block_size')::float8, 1)),
        greatest(c.reltuples, 0)
    INTO v_share, v_rows FROM pg_class AS c WHERE c.oid = target;
    EXECUTE format('SELECT count(*) FROM (%s) AS leaf',
        (lifecycle._leaf_query(target, levels, current_setting('TimeZone'), format('ONLY %s AS t%s', target,
            CASE WHEN v_share < 1 THEN format(' TABLESAMPLE SYSTEM (%s)', 100 * v_share)
                ELSE ' WHERE true' END))).parts)
    INTO v_leaves;
    v_leaves := v_leaves * (SELECT coalesce(round(exp(sum(ln((l.level ->> 'modulus')::numeric)))), 1)
        FROM unnest(levels) AS l (level) WHERE l.level ->> 'method' = 'hash');
    v_locks := v_leaves * (1 + (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = target));
    RETURN NEXT ROW(
        CASE WHEN v_locks > v_slots / 2 THEN 'error' ELSE 'info' END, 'table ' || target,
        format('%s%s partitions', CASE WHEN v_share < 1 THEN 'at least ' ELSE '' END, v_leaves),
        format('A query that prunes nothing takes %s locks with the indexes; the server has %s.', v_locks, v_slots),
        CASE WHEN v_locks > v_slots / 2 THEN 'Raise max_locks_per_transaction, or make fewer partitions.' END
    )::lifecycle.finding;
    IF v_leaves > 1 AND v_rows > 0 AND v_rows / v_leaves < 1000 THEN
        RETURN NEXT ROW('info', 'table ' || target, format('%s rows a partition', round(v_rows / v_leaves)),
            'So small partitions cost planning time and gain nothing yet.', NULL)::lifecycle.finding;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._check_conversion_leaves(regclass, jsonb[]) IS
'The findings of pre_migration_check about the number of partitions.';
