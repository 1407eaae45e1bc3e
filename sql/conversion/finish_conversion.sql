CREATE FUNCTION lifecycle._plan_finish(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._drop_capture_steps(conversion)
    || ARRAY(
        SELECT lifecycle._step('drop old view', 'materialized view ' || o.relation,
            format('DROP MATERIALIZED VIEW %s', o.relation))
        FROM lifecycle._old_views(conversion) AS o ORDER BY o.place
    ) || ARRAY(
        SELECT lifecycle._step('follow', 'journal of ' || o.name, 'SELECT ' || string_agg(format(
                'lifecycle._follow_remade(%L, %s)', f.object, f.old_oid), ', ' ORDER BY f.object),
            note => 'changes journaled before are about the new one now')
        FROM lifecycle._old_views(conversion) AS o
        CROSS JOIN LATERAL (
            SELECT 'materialized view ' || o.name AS object, o.relation::oid::text AS old_oid
            UNION ALL
            SELECT 'index ' || i.indexrelid::regclass, 'NULL' FROM pg_index AS i WHERE i.indrelid = to_regclass(o.name)
        ) AS f
        GROUP BY o.name, o.place ORDER BY o.place
    ) || ARRAY[
        lifecycle._step('drop old table', 'table ' || conversion.source, format('DROP TABLE %s', conversion.source),
            note => format('for good: %s', pg_size_pretty(pg_total_relation_size(conversion.source)))),
        lifecycle._step('register end', 'conversion of ' || (conversion.conversion).source,
            format('UPDATE lifecycle.conversion SET phase = ''finished'', ended_at = pg_catalog.clock_timestamp() '
                'WHERE conversion_id OPERATOR(pg_catalog.=) %s', (conversion.conversion).conversion_id))
    ]
$fn$;
COMMENT ON FUNCTION lifecycle._plan_finish(lifecycle.located_conversion) IS 'The steps of finish_conversion.';

CREATE FUNCTION lifecycle.finish_conversion(
    target regclass,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion lifecycle.located_conversion := lifecycle._conversion(target);
BEGIN
    PERFORM lifecycle._require_owner(target);
    PERFORM lifecycle._require_phase(v_conversion, '{swapped}');
    IF (lifecycle._next_key(v_conversion)).statement IS NOT NULL
        OR (lifecycle._pending_view(v_conversion)).beside IS NOT NULL
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('foreign keys of %s are not validated yet, or its materialized views not built',
                v_conversion.partitioned),
            HINT = format('CALL lifecycle.convert_data(%L)', v_conversion.partitioned);
    END IF;
    IF NOT dry_run THEN
        v_conversion := lifecycle._fence_conversion(target);
        -- The triggers of the capture go from every partition.
        PERFORM lifecycle._lock(ARRAY[v_conversion.partitioned, v_conversion.source], 'ACCESS EXCLUSIVE', dry_run);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('conversion_finish', v_conversion.partitioned,
        lifecycle._plan_finish(v_conversion), dry_run, expected_plan, search_path => finish_conversion.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.finish_conversion(regclass, boolean, text, text) IS
'Makes a conversion final: ends the capture that keeps the old table in step, and drops the old table. There is no way
back after it.

Arguments: target - the table; dry_run - only show the plan (the default); expected_plan - plan_hash of the reviewed dry
run; search_path - for event triggers.
Returns: one row a step (lifecycle.step_result).
Errors: 55000 the table is not being converted, or not swapped yet; 2BP01 something still depends on the old table;
42809 not a table; 42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.finish_conversion(''public.observation'', dry_run => false);';
