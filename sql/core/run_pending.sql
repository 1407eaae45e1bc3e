-- The next open step that the caller may run, of a migration that has not failed in this call.
CREATE FUNCTION lifecycle._next_pending(migration_id bigint, passed_over bigint[]) RETURNS lifecycle.migration_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT s
    FROM lifecycle.migration_step AS s
    WHERE s.status IN ('pending', 'failed')
        AND s.migration_id <> ALL (passed_over)
        AND (_next_pending.migration_id IS NULL OR s.migration_id = _next_pending.migration_id)
        -- What a superuser has left pending is for superusers.
        AND (_next_pending.migration_id IS NOT NULL OR (lifecycle._may_run(s.applied_by, s.session_by, s.writer)
            AND (s.applied_by = current_user OR lifecycle._is_superuser(current_user))))
    ORDER BY s.migration_id, s.step
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._next_pending(bigint, bigint[]) IS 'The open step that comes next.';

-- Runs a stage or remembers why it did not run; either way the caller can commit.
CREATE FUNCTION lifecycle._try_stage(step lifecycle.migration_step) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sqlstate text;
    v_message text;
    v_failed integer;
BEGIN
    PERFORM lifecycle._require_may_run(step.migration_id, step.applied_by, step.session_by, step.writer);
    BEGIN
        PERFORM lifecycle._run_stage(step);
        RETURN NULL;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
    END;
    v_failed := coalesce(substring(v_message FROM '^step ([0-9]+), ')::integer, step.step);
    UPDATE lifecycle.migration_step AS s
    SET status = 'failed', sqlstate = v_sqlstate, message = v_message, run_at = clock_timestamp()
    WHERE s.migration_id = _try_stage.step.migration_id AND s.step = v_failed AND s.status IN ('pending', 'failed');
    RETURN format('migration %s, %s (%s)', step.migration_id, v_message, v_sqlstate);
END
$fn$;
COMMENT ON FUNCTION lifecycle._try_stage(lifecycle.migration_step) IS
'Runs the stage that begins with this step; returns NULL, or the failure that it wrote into the journal.';

-- A top-level step is done when its object stands (an index: when it is valid), whoever ran the statement.
CREATE FUNCTION lifecycle._run_stage(step lifecycle.migration_step) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_target oid := (SELECT m.target_oid FROM lifecycle.migration AS m WHERE m.migration_id = step.migration_id
        AND m.origin = lifecycle._origin());
BEGIN
    IF v_target IS NOT NULL THEN
        PERFORM lifecycle._lock_target(v_target);
    END IF;
    -- Another call may be at this migration; when it is done, there is nothing left to run.
    PERFORM FROM lifecycle.migration AS m WHERE m.migration_id = _run_stage.step.migration_id FOR UPDATE;
    PERFORM lifecycle._run_journaled(step.migration_id, step.stage);
    PERFORM lifecycle._settle_group(m.part_of) FROM lifecycle.migration AS m
    WHERE m.migration_id = _run_stage.step.migration_id AND m.part_of IS NOT NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_stage(lifecycle.migration_step) IS
'Runs all steps of a stage that can run inside a function.';

-- No SET clause and no EXCEPTION block here: a procedure that commits can have neither.
CREATE PROCEDURE lifecycle.run_pending(migration_id bigint DEFAULT NULL) LANGUAGE plpgsql AS $fn$
DECLARE
    v_step lifecycle.migration_step;
    v_passed_over bigint[] := ARRAY[]::pg_catalog.int8[];
    v_failures text[] := ARRAY[]::pg_catalog.text[];
    v_failure text;
BEGIN
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    IF migration_id IS NOT NULL THEN
        PERFORM lifecycle._require_migration(migration_id);
    END IF;
    LOOP
        v_step := lifecycle._next_pending(migration_id, v_passed_over);
        EXIT WHEN v_step.migration_id IS NULL;
        IF v_step.top_level THEN
            IF lifecycle._send_top_level(v_step) THEN
                LOOP
                    COMMIT;
                    PERFORM pg_catalog.pg_sleep(0.05);
                    EXIT WHEN NOT lifecycle._top_level_is_busy(v_step);
                END LOOP;
            END IF;
            v_failure := lifecycle._settle_top_level(v_step);
        ELSE
            v_failure := lifecycle._try_stage(v_step);
        END IF;
        COMMIT;
        IF v_failure IS NOT NULL THEN
            v_passed_over := pg_catalog.array_append(v_passed_over, v_step.migration_id);
            v_failures := pg_catalog.array_append(v_failures, v_failure);
        END IF;
    END LOOP;
    PERFORM lifecycle._raise_failures(v_failures, '%s of the pending migrations could not go on',
        'What was done is committed. SELECT * FROM lifecycle.pending_steps() shows what is left.');
END
$fn$;
COMMENT ON PROCEDURE lifecycle.run_pending(bigint) IS
'Runs what is pending: one transaction a stage, so that it can be stopped and called again at any time. A migration
whose step fails is left where it is, with SQLSTATE and message in the journal; the others go on, and the call fails
at its end.

Arguments: migration_id - only this one; default all that the caller may run.
Returns: nothing; see lifecycle.pending_steps() for what is left. Twins: lifecycle.pending_steps() shows what would
run, lifecycle.run_pending_stage() runs one stage inside a transaction.
Errors: 42704 no such migration; P0001 naming each step that failed or waits to be run by hand; 42501 not an
administrator, or steps of another role.
Example: CALL lifecycle.run_pending();';
