CREATE FUNCTION lifecycle.rollback_materialized_view(
    target regclass,
    cascade boolean DEFAULT false,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_migration constant bigint := (
        SELECT max(m.migration_id) FROM lifecycle.migration AS m
        JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
        WHERE m.feature = 'materialized_view' AND m.state <> 'rolled_back'
            AND s.action IN ('create materialized view', 'swap')
            AND (lifecycle._locate(s.object, s.address, m.origin)).object_id = rollback_materialized_view.target
    );
BEGIN
    IF v_migration IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no change of %s stands that could be taken back', coalesce(target::text, 'NULL')),
            DETAIL = 'It was neither made nor replaced by pg_lifecycle, or that has been rolled back.',
            HINT = 'SELECT * FROM lifecycle.migration_history lists the changes.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(ARRAY[v_migration], dry_run, expected_plan, cascade,
        search_path => rollback_materialized_view.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_materialized_view(regclass, boolean, boolean, text, text) IS
'Takes the latest change of a materialized view back: a replacement by building the query that stood before it beside
and swapping again, the creation by dropping the view. Call it again for the change before.

Arguments: target - the materialized view; cascade - take back later changes that rest on it as well; dry_run - only
show the plan (the default); expected_plan - plan_hash of the reviewed dry run; search_path - instead of the journaled
one.
Returns: one row a step (lifecycle.step_result).
Errors: 55000 nothing to take back; 2BP01 something rests on it, or reads a column that the old query has not; 42501 not
the role that made the change; 55P03 lock.
Example: SELECT * FROM lifecycle.rollback_materialized_view(''public.shop_total'', dry_run => false);';
