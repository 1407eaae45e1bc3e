-- The executor of inverses: lock, plan from the journal, run, mark. All of it in the caller's transaction.
CREATE FUNCTION lifecycle._rollback(
    migration_ids bigint[],
    dry_run boolean,
    expected_plan text,
    cascade boolean DEFAULT false,
    options jsonb DEFAULT '{}',
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_ids constant bigint[] := lifecycle._rollback_set(migration_ids, cascade);
    v_id bigint;
    v_part lifecycle.plan_step[];
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
    v_ids_of_steps bigint[] := ARRAY[]::bigint[];
    v_hash text;
BEGIN
    PERFORM lifecycle._require_dry_run(dry_run);
    IF jsonb_typeof(options) <> 'object' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('options cannot be %s', options),
            HINT = 'Give an object, for example {"deleted_rows": "restore"}.';
    END IF;
    PERFORM lifecycle._rollback_lock(v_ids, dry_run);
    FOREACH v_id IN ARRAY v_ids LOOP
        v_part := lifecycle._plan_rollback(v_id, v_ids, options);
        v_plan := v_plan || v_part;
        v_ids_of_steps := v_ids_of_steps || array_fill(v_id, ARRAY[cardinality(v_part)]);
    END LOOP;
    v_part := lifecycle._data_schema_undo(v_ids);
    v_plan := v_plan || v_part;
    v_ids_of_steps := v_ids_of_steps || array_fill(v_ids[cardinality(v_ids)], ARRAY[cardinality(v_part)]);
    v_plan := lifecycle._number(v_plan);
    v_hash := lifecycle._plan_hash(v_plan);
    IF dry_run THEN
        RAISE NOTICE 'dry run: nothing was changed, % migrations would be rolled back in % steps',
            cardinality(v_ids), cardinality(v_plan);
    ELSE
        PERFORM lifecycle._require_may_run(s.migration_id, s.applied_by, s.session_by, s.writer)
        FROM lifecycle.migration_step AS s
        WHERE s.migration_id = ANY (v_ids) AND s.inverse IS NOT NULL AND s.status <> 'rolled_back';
        PERFORM lifecycle._assert_plan(v_plan, expected_plan);
        PERFORM lifecycle._run_inverses(v_ids, v_plan, v_ids_of_steps, _rollback.search_path);
    END IF;
    RETURN QUERY
    SELECT v_ids_of_steps[p.step], p.step, p.stage, p.action, p.object, p.statement,
        CASE WHEN p.statement IS NULL THEN 'skipped' WHEN dry_run THEN 'planned' ELSE 'done' END, v_hash, p.note
    FROM unnest(v_plan) AS p
    ORDER BY p.step;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback(bigint[], boolean, text, boolean, jsonb, text) IS
'Shows or runs the inverses of migrations, newest first, and marks them rolled back; returns one row a step.';
