-- The one executor of a journaled stage: apply and run_pending both end here. One stage shares one transaction.
CREATE FUNCTION lifecycle._run_journaled(migration_id bigint, last_stage integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_path text;
    v_step lifecycle.migration_step;
    v_made boolean;
    v_wait text;
BEGIN
    PERFORM lifecycle._require_read_committed();
    SELECT m.search_path INTO v_path FROM lifecycle.migration AS m WHERE m.migration_id = _run_journaled.migration_id;
    FOR v_step IN
        SELECT s.* FROM lifecycle.migration_step AS s
        WHERE s.migration_id = _run_journaled.migration_id AND s.status IN ('pending', 'failed')
            AND s.stage <= last_stage AND NOT s.top_level
        ORDER BY s.step
    LOOP
        PERFORM lifecycle._require_may_run(_run_journaled.migration_id, v_step.applied_by, v_step.session_by,
            v_step.writer);
        v_made := lifecycle._address(v_step.object) IS NULL;
        v_wait := lifecycle._run_step(
            ROW(v_step.step, v_step.stage, v_step.action, v_step.object, v_step.statement, v_step.inverse,
                v_step.top_level, v_step.note)::lifecycle.plan_step,
            v_path, v_wait
        );
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        PERFORM lifecycle._settle(_run_journaled.migration_id, v_step.step, v_made);
    END LOOP;
    UPDATE lifecycle.migration AS m SET state = 'applied'
    WHERE m.migration_id = _run_journaled.migration_id AND m.state = 'pending'
        AND NOT EXISTS (
            SELECT FROM lifecycle.migration_step AS s
            WHERE s.migration_id = m.migration_id AND s.status IN ('pending', 'failed')
        );
    PERFORM lifecycle._announce();
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_journaled(bigint, integer) IS
'Runs the open steps of a migration up to a stage, except top-level ones, and marks them done.';
