-- How many partitions the rows of today will fill. Of a large table a sample is read: then it is the least number.
CREATE FUNCTION lifecycle._leaf_expression(model regclass, level jsonb, column_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_type constant regtype := lifecycle._level_type(model, level);
    v_place constant text := CASE WHEN v_type = 'uuid'::regtype
        THEN format('to_timestamp(lifecycle._uuid_place(%s)::float8)', column_name) ELSE column_name END;
    v_period record;
BEGIN
    CASE level ->> 'method'
        WHEN 'list' THEN
            RETURN column_name || '::text';
        WHEN 'hash' THEN
            RETURN 'NULL';
        ELSE
            SELECT p.* INTO v_period FROM lifecycle._period(v_type, level ->> 'every') AS p;
    END CASE;
    RETURN CASE
        WHEN v_period.width IS NOT NULL THEN format('floor(%s / %s)::text', column_name, v_period.width)
        WHEN v_period.months > 0 THEN format(
            'floor((12 * extract(year FROM %1$s) + extract(month FROM %1$s) - 1) / %2$s)::text', v_place,
            v_period.months)
        ELSE format('floor(extract(epoch FROM %s) / %s)::text', v_place, 86400 * v_period.days + v_period.seconds)
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._leaf_expression(regclass, jsonb, text) IS
'An expression that tells the partitions of one level apart.';

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
    EXECUTE format('SELECT count(*) FROM (SELECT DISTINCT %s FROM ONLY %s AS t%s) AS leaf', (
        SELECT string_agg(lifecycle._leaf_expression(target, l.level, format('t.%I', l.level ->> 'column')), ', '
            ORDER BY l.place) FROM unnest(levels) WITH ORDINALITY AS l (level, place)
    ), target, CASE WHEN v_share < 1 THEN format(' TABLESAMPLE SYSTEM (%s)', 100 * v_share) ELSE '' END) INTO v_leaves;
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
