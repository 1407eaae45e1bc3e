CREATE FUNCTION lifecycle._lock_capture(capture lifecycle.located_capture, dry_run boolean) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._lock(capture.source || lifecycle._partitions(capture.source)::regclass[], 'SHARE ROW EXCLUSIVE',
        _lock_capture.dry_run, ARRAY(
            SELECT t.relation FROM lifecycle._capture_triggers(capture) AS t WHERE t.state = 'surplus'
            UNION
            SELECT capture.queue FROM lifecycle._capture_columns(capture) AS c
            WHERE (c.column_name, c.column_type) <> (c.queue_column, c.queue_type)
        ), 'ACCESS EXCLUSIVE')
$fn$;
COMMENT ON FUNCTION lifecycle._lock_capture(lifecycle.located_capture, boolean) IS
'Takes the locks under which a capture is mended.';

CREATE FUNCTION lifecycle.sync_capture(
    target regclass,
    consumer name DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_capture lifecycle.located_capture;
    v_plan lifecycle.plan_step[];
    v_found boolean := false;
BEGIN
    PERFORM lifecycle._require_table(target);
    PERFORM lifecycle._require_owner(target);
    FOR v_capture IN
        SELECT c.* FROM lifecycle._captures(target) AS c
        WHERE sync_capture.consumer IS NULL OR c.consumer = sync_capture.consumer
    LOOP
        v_found := true;
        v_plan := lifecycle._plan_sync_capture(v_capture);
        IF v_plan[1].statement IS NOT NULL THEN
            PERFORM lifecycle._lock_capture(v_capture, dry_run);
            v_plan := lifecycle._plan_sync_capture(v_capture);
        END IF;
        -- One migration a capture: dropping one must not take another one's triggers along.
        RETURN QUERY SELECT * FROM lifecycle._apply('capture_sync', target, v_plan, dry_run, expected_plan,
            jsonb_build_object('consumer', v_capture.consumer), sync_capture.search_path);
    END LOOP;
    IF NOT v_found THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('%s is not captured%s', target, ' for consumer ' || quote_ident(consumer)),
            HINT = 'SELECT * FROM lifecycle.capture_status() lists what is.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle.sync_capture(regclass, name, boolean, text, text) IS
'Brings the captures of a table in step with what has happened to it: partitions that were attached, detached, created
or dropped, triggers that were dropped or disabled, key columns that were renamed or have another type, a restore into
another database. Where changes may have been missed the queue is marked: its consumer starts afresh.

Arguments: target - the captured table; consumer - only this one (default: all); dry_run - only show what is out of
step; expected_plan - plan_hash of the reviewed dry run, needs a consumer where there are several; search_path - for
event triggers.
Returns: one row a step (lifecycle.step_result); skipped: is in step.
Errors: 42704 not captured; 42809 not a table; 55000 cannot be mended, the HINT says what to do; 42501 not the owner;
55P03 lock.
Example: SELECT * FROM lifecycle.sync_capture(''public.orders'', dry_run => true);';
