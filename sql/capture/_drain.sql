-- Taking entries out of a queue, so that no change is lost:
--   1. The lock comes first, in a statement of its own: two drains of one queue could else write in the wrong order.
--   2. What is deleted is a list of entries that this snapshot sees. Never "up to the newest one": a transaction that
--      began earlier may commit an older entry later.
--   3. The caller reads the source in a LATER statement than this call. Whatever commits in between has an entry of its
--      own and comes in the next round; processing a key means copying or computing its present state.
-- Entries that were taken come back if the caller rolls back, or dies.
CREATE FUNCTION lifecycle._drain(queue regclass, max_rows integer DEFAULT 10000) RETURNS lifecycle.drained
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
-- The keys are text for a moment, and must come back as they were.
SET extra_float_digits = 1 SET datestyle = iso SET intervalstyle = iso_8601 AS $fn$
DECLARE
    v_capture lifecycle.located_capture;
    v_result lifecycle.drained;
    v_more bigint;
BEGIN
    PERFORM lifecycle._require_drainable(max_rows);
    PERFORM lifecycle._lock_target(queue);
    SELECT c.* INTO v_capture FROM lifecycle._captures(of_queue => queue) AS c;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('%s is not the queue of a capture', queue),
            HINT = 'SELECT queue FROM lifecycle.capture_status() lists them.';
    END IF;
    v_result.problem := (SELECT string_agg(p.detail, '; ') FROM lifecycle._capture_problems(v_capture) AS p
        WHERE p.severity = 'error');
    EXECUTE lifecycle._drain_statement(queue) INTO v_result.entries, v_result.all_rows, v_result.keys USING max_rows;
    IF v_result.all_rows OR v_result.problem IS NOT NULL THEN
        -- The caller is going to read every row, later than this: the other entries say nothing more.
        EXECUTE format('DELETE FROM %s', queue);
        GET DIAGNOSTICS v_more = ROW_COUNT;
        v_result.entries := v_result.entries + v_more;
        v_result.all_rows := true;
        v_result.keys := NULL;
    END IF;
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain(regclass, integer) IS
'Takes at most max_rows entries out of a queue, the oldest first, and returns the distinct keys. Read the source in a
later statement of the same transaction. Raises 25000 unless READ COMMITTED, 55P03 while another session drains it.';
