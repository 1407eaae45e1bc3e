CREATE FUNCTION lifecycle.rollback_view_policy(
    target regclass,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_migrations constant bigint[] := lifecycle._open_migrations('view_policy', target);
BEGIN
    IF cardinality(v_migrations) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no refresh policy', coalesce(target::text, 'NULL')),
            HINT = 'SELECT view_name FROM lifecycle.mv_refresh_status WHERE every IS NOT NULL lists those that have.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(v_migrations, dry_run, expected_plan,
        search_path => rollback_view_policy.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_view_policy(regclass, boolean, text, text) IS
'Takes back what lifecycle.manage_materialized_view has stored for a view: it is refreshed by nobody but by hand.

Arguments: target - the view; dry_run - only show the plan (the default); expected_plan - plan_hash of the reviewed dry
run; search_path - instead of the journaled one.
Returns: one row a step (lifecycle.step_result).
Errors: 55000 the view has no policy; 42501 not the role that made it; 55P03 lock.
Example: SELECT * FROM lifecycle.rollback_view_policy(''public.mv_totals'', dry_run => false);';
