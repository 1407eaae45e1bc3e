CREATE FUNCTION lifecycle.confirm_step(migration_id bigint, step integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_step lifecycle.migration_step;
BEGIN
    SELECT s.* INTO v_step FROM lifecycle.migration_step AS s
    WHERE s.migration_id = confirm_step.migration_id AND s.step = confirm_step.step AND s.top_level
        AND s.status IN ('pending', 'failed');
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('migration %s has no pending top-level step %s', migration_id, step),
            HINT = 'SELECT migration_id, step, statement FROM lifecycle.pending_steps() lists them.';
    END IF;
    PERFORM lifecycle._require_may_run(v_step.migration_id, v_step.applied_by, v_step.session_by, v_step.writer);
    PERFORM lifecycle._settle(v_step.migration_id, v_step.step, true);
    PERFORM lifecycle._run_journaled(v_step.migration_id, 0);
END
$fn$;
COMMENT ON FUNCTION lifecycle.confirm_step(bigint, integer) IS
'Says that a top-level statement of your own was run by hand. Only needed where the catalog does not show it (VACUUM, a
statement of apply_migration); an index is recognised by itself.

Arguments: migration_id, step - as lifecycle.pending_steps() lists them.
Returns: nothing.
Errors: 42704 no such pending top-level step; 42501 it belongs to another role.
Example: SELECT lifecycle.confirm_step(migration_id, step) FROM lifecycle.pending_steps()
WHERE statement = ''VACUUM public.note'';';
