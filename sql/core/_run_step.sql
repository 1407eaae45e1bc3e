-- The executor's hand: one statement, under the caller's path and a lock_timeout, with an error that says where it
-- happened. A lock that LOCK TABLE cannot take (materialized views) is waited for here, and retried while no other
-- strong one is held: once it is, it stays so to the end of the transaction, and the steps that follow need not look
-- through the lock table again.
CREATE FUNCTION lifecycle._run_step(step lifecycle.plan_step, search_path text, wait text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_timeout constant text := current_setting('lock_timeout');
    v_messages constant text := current_setting('client_min_messages');
    -- The triggers that fall with a function of ours are as many as the table has partitions; no notice names them.
    v_is_quiet constant boolean := v_messages <> 'error' AND step.statement ~ '^DROP FUNCTION [^;]* CASCADE(;|$)';
    v_attempts integer := lifecycle.setting('lock_attempts')::integer;
    v_wait text;
    v_sqlstate text;
    v_message text;
    v_detail text;
    v_hint text;
BEGIN
    LOOP
        BEGIN
            v_wait := CASE WHEN wait = '1ms' THEN wait ELSE lifecycle._lock_wait() END;
            PERFORM set_config('lock_timeout', v_wait, true);
            IF v_is_quiet THEN
                PERFORM set_config('client_min_messages', 'warning', true);
            END IF;
            PERFORM lifecycle._execute(step.statement, search_path);
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            PERFORM set_config('lock_timeout', v_timeout, true), set_config('client_min_messages', v_messages, true);
            RETURN v_wait;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL, v_hint = PG_EXCEPTION_HINT;
        END;
        v_attempts := v_attempts - 1;
        EXIT WHEN v_sqlstate NOT IN ('55P03', '40P01') OR v_attempts <= 0 OR v_wait = '1ms';
        PERFORM lifecycle._pause();
    END LOOP;
    RAISE EXCEPTION USING
        ERRCODE = v_sqlstate,
        MESSAGE = format('step %s, %s of %s: %s', step.step, step.action, step.object, v_message),
        DETAIL = concat_ws(E'\n', nullif(v_detail, ''), 'Statement: ' || step.statement),
        HINT = coalesce(nullif(v_hint, ''), 'What this stage has done is taken back: mend the cause and run it again.');
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_step(lifecycle.plan_step, text, text) IS
'Runs one step; an error keeps its SQLSTATE and names step, object and statement. Returns how long its locks were
waited for: what _lock_wait said, or the wait of the step before.';
