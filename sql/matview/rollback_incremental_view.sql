CREATE FUNCTION lifecycle.rollback_incremental_view(
    target regclass,
    cascade boolean DEFAULT false,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_migrations constant bigint[] := ARRAY(
        SELECT m.migration_id FROM lifecycle.migration AS m
        JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
        WHERE m.feature = 'incremental_view' AND m.state <> 'rolled_back' AND s.action = 'create table'
            AND (lifecycle._locate(s.object, s.address, m.origin)).object_id = rollback_incremental_view.target
        ORDER BY m.migration_id DESC
    );
BEGIN
    IF cardinality(v_migrations) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no incremental view stands at %s', coalesce(target::text, 'NULL')),
            HINT = 'SELECT view_name FROM lifecycle.mv_refresh_status lists them.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(v_migrations, dry_run, expected_plan, cascade,
        search_path => rollback_incremental_view.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_incremental_view(regclass, boolean, boolean, text, text) IS
'Takes create_incremental_view back: the table, its query, and the triggers and queues on the tables of the query.

Arguments: target - the incremental view; cascade - take back later changes that rest on it as well; dry_run - only show
the plan (the default); expected_plan - plan_hash of the reviewed dry run; search_path - instead of the journaled one.
Returns: one row a step (lifecycle.step_result).
Errors: 55000 no incremental view stands there; 2BP01 something rests on it; 42501 not the role that made it; 55P03
lock.
Example: SELECT * FROM lifecycle.rollback_incremental_view(''public.shop_total'', dry_run => false);';
