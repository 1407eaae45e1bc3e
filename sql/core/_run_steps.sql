-- A statement can change the path of whoever runs it, so it is pinned again after each.
CREATE FUNCTION lifecycle._run_steps(steps lifecycle.plan_step[], search_path text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_step lifecycle.plan_step;
    v_wait text;
BEGIN
    FOREACH v_step IN ARRAY steps LOOP
        IF v_step.statement IS NOT NULL THEN
            v_wait := lifecycle._run_step(v_step, _run_steps.search_path, v_wait);
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_steps(lifecycle.plan_step[], text) IS
'Runs the steps of a plan that keeps its own record instead of the journal.';
