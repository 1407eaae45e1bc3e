-- The one executor. A dry run and an execution go through the same lines until the plan has been hashed.
CREATE FUNCTION lifecycle._apply(
    feature text,
    target regclass,
    plan lifecycle.plan_step[],
    dry_run boolean,
    expected_plan text,
    parameters jsonb DEFAULT '{}',
    search_path text DEFAULT NULL,
    name text DEFAULT NULL,
    at_once boolean DEFAULT false
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_plan constant lifecycle.plan_step[] := lifecycle._number(plan);
    v_hash constant text := lifecycle._plan_hash(v_plan);
    v_open integer := (SELECT count(*) FROM unnest(v_plan) AS p WHERE p.statement IS NOT NULL);
    v_id bigint;
BEGIN
    PERFORM lifecycle._require_dry_run(dry_run);
    IF dry_run THEN
        RAISE NOTICE 'dry run: nothing was changed, % of % steps would run', v_open, cardinality(v_plan);
        RETURN QUERY SELECT * FROM lifecycle._result_rows(v_plan, v_hash);
        RETURN;
    END IF;
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    PERFORM lifecycle._assert_plan(v_plan, expected_plan);
    IF v_open > 0 THEN
        v_id := lifecycle._journal(feature, target, v_plan, v_hash, parameters,
            coalesce(_apply.search_path, 'pg_catalog, pg_temp'), _apply.name);
        PERFORM lifecycle._run_journaled(v_id, (
            SELECT CASE WHEN at_once THEN max(p.stage) ELSE min(p.stage) END
            FROM unnest(v_plan) AS p WHERE p.statement IS NOT NULL
        ));
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        SELECT count(*) INTO v_open FROM lifecycle.migration_step AS s
            WHERE s.migration_id = v_id AND s.status = 'pending';
        IF v_open > 0 THEN
            RAISE NOTICE 'steps pending: %, CALL lifecycle.run_pending(%)', v_open, v_id;
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._result_rows(v_plan, v_hash, v_id);
END
$fn$;
COMMENT ON FUNCTION lifecycle._apply(
    text, regclass, lifecycle.plan_step[], boolean, text, jsonb, text, text, boolean
) IS
'Shows a plan (dry_run), or journals it and runs its first stage (at_once: all stages); returns one row a step.';
