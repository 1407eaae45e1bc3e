CREATE FUNCTION lifecycle._require_policy(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF target IS NOT NULL AND (SELECT p.root FROM lifecycle._policy_of(target) AS p) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no policy', target), HINT = 'lifecycle.manage_partitions() gives it one.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_policy(regclass) IS 'Raises 55000 for a table that follows no policy.';

-- Reviewed was the whole; each set then stands or falls for itself.
CREATE FUNCTION lifecycle._apply_sets(
    sets lifecycle.set_plan[], dry_run boolean, expected_plan text, search_path text, feature text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan constant lifecycle.plan_step[] := lifecycle._sets_plan(sets);
    v_hash constant text := lifecycle._plan_hash(v_plan);
    v_set lifecycle.set_plan;
    v_row lifecycle.step_result;
    v_failed integer := 0;
BEGIN
    IF NOT dry_run THEN
        PERFORM lifecycle._assert_plan(v_plan, expected_plan);
    END IF;
    FOREACH v_set IN ARRAY sets LOOP
        FOR v_row IN SELECT * FROM lifecycle._apply_future_set(v_set, dry_run, v_hash,
            _apply_sets.search_path, _apply_sets.feature)
        LOOP
            v_failed := v_failed + (v_row.status = 'failed')::integer;
            RETURN NEXT v_row;
        END LOOP;
    END LOOP;
    IF v_failed > 0 THEN
        RAISE WARNING '% steps failed: see the rows with status failed', v_failed;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._apply_sets(lifecycle.set_plan[], boolean, text, text, text) IS
'Shows or runs the plans of several sets; what fails becomes a row and a warning.';
