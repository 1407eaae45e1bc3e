CREATE FUNCTION lifecycle.detach_partition(
    target regclass,
    into_schema name DEFAULT NULL,
    online boolean DEFAULT NULL,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parent constant regclass := lifecycle._parent_of(target);
BEGIN
    IF into_schema IS NOT NULL THEN
        PERFORM lifecycle._require_schema('into_schema', into_schema);
    END IF;
    PERFORM lifecycle._require_owner(v_parent);
    IF lifecycle._detach_form(v_parent, target, online) <> ' CONCURRENTLY' THEN
        PERFORM lifecycle._lock_detach(v_parent, ARRAY[target], dry_run);
    ELSIF NOT dry_run THEN
        PERFORM lifecycle._require_read_committed();
        PERFORM lifecycle._lock_target(v_parent);
    END IF;
    PERFORM lifecycle._require_unreferenced(v_parent, target);
    RETURN QUERY SELECT * FROM lifecycle._apply('partition_archive', v_parent,
        lifecycle._detach_steps(v_parent, ARRAY[target], into_schema, false, online), dry_run, expected_plan,
        jsonb_build_object('partition', target::text, 'bounds', lifecycle._partition_bounds(target)),
        detach_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.detach_partition(regclass, name, boolean, boolean, text, text) IS
'Takes a partition out of its table; its rows stay in it. Rolled back, it is attached again with its bounds. What an
interrupted DETACH ... CONCURRENTLY has left half detached is finished.

Arguments: target - the partition; into_schema - where it goes, default it stays where it is; online - with DETACH ...
CONCURRENTLY, which blocks nobody: PostgreSQL refuses it inside a function, so that it becomes a pending top-level step
(lifecycle.pending_steps, lifecycle.run_pending), and beside a default partition, where the plain form is used; default
what the setting detach_concurrently says; dry_run - only show the plan, the default; expected_plan - plan_hash of the
reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result).
Errors: 42809 no partition; 23503 rows of other tables refer to its rows; 42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.detach_partition(''public.metric_2020_01'', dry_run => false);';
