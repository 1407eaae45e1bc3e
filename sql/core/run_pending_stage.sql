CREATE FUNCTION lifecycle.run_pending_stage(migration_id bigint DEFAULT NULL) RETURNS SETOF lifecycle.step_result
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_step lifecycle.migration_step;
BEGIN
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    IF run_pending_stage.migration_id IS NOT NULL THEN
        PERFORM lifecycle._require_migration(run_pending_stage.migration_id);
    END IF;
    v_step := lifecycle._next_pending(run_pending_stage.migration_id, '{}');
    IF v_step.migration_id IS NOT NULL THEN
        PERFORM lifecycle._require_may_run(v_step.migration_id, v_step.applied_by, v_step.session_by, v_step.writer);
        IF NOT v_step.top_level THEN
            PERFORM lifecycle._run_stage(v_step);
        ELSIF lifecycle._top_level_stands(v_step.action, v_step.object) THEN
            PERFORM lifecycle._settle(v_step.migration_id, v_step.step, true);
            PERFORM lifecycle._run_journaled(v_step.migration_id, 0);
        END IF;
    END IF;
    RETURN QUERY SELECT * FROM lifecycle.pending_steps(run_pending_stage.migration_id);
END
$fn$;
COMMENT ON FUNCTION lifecycle.run_pending_stage(bigint) IS
'Runs the next pending stage in the caller''s transaction; the twin of CALL lifecycle.run_pending() where only a
function can be called.

Arguments: migration_id - only this one; default the first that the caller may run.
Returns: what remains, as lifecycle.pending_steps() (lifecycle.step_result).
Errors: 42704 no such migration; what the failing step raises; 42501 not an administrator, or the steps are another
role''s.
Example: SELECT * FROM lifecycle.run_pending_stage();';
