-- The last thing that a rebuild does, so that writers wait only for the commit. The tables were read without the
-- triggers that are made here: sync_capture marks the queue, and the next refresh reads everything once more.
CREATE FUNCTION lifecycle._mend_captures(view lifecycle.located_incremental) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_capture lifecycle.located_capture;
    v_code text;
    v_message text;
    v_notes text[] := ARRAY[]::text[];
BEGIN
    IF current_setting('lifecycle.mending', true) = 'later' THEN
        RETURN NULL;
    END IF;
    FOR v_capture IN
        SELECT c.* FROM lifecycle._captures() AS c
        WHERE c.queue_name = ANY (view.queues)
            AND EXISTS (SELECT FROM lifecycle._capture_problems(c) AS p
                WHERE p.severity = 'error' AND p.finding NOT IN ('inheritance', 'unlogged')
                    OR p.finding = 'not always')
    LOOP
        BEGIN
            PERFORM lifecycle.sync_capture(v_capture.source, v_capture.consumer);
            v_notes := v_notes || format('the capture of %s was mended, the next refresh is a rebuild too',
                v_capture.source);
        EXCEPTION WHEN OTHERS THEN
            -- The rows are right all the same; each refresh is a rebuild until somebody mends it.
            GET STACKED DIAGNOSTICS v_code = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            v_notes := v_notes || format('the capture of %s was not mended: %s %s', v_capture.source, v_code,
                v_message);
        END;
    END LOOP;
    RETURN nullif(array_to_string(v_notes, '; '), '');
END
$fn$;
COMMENT ON FUNCTION lifecycle._mend_captures(lifecycle.located_incremental) IS
'Brings captures of an incremental view in step with their tables where they are not; what was done, in words.';

-- Where several views share a transaction, all are refreshed before the first capture is mended: the lock that this
-- takes would else last as long as the refreshes behind it.
CREATE FUNCTION lifecycle._mend_views(views oid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_view lifecycle.located_incremental;
    v_note text;
BEGIN
    PERFORM set_config('lifecycle.mending', '', true);
    FOR v_view IN SELECT v.* FROM lifecycle._incremental_views() AS v WHERE v.target::oid = ANY (views) LOOP
        v_note := lifecycle._mend_captures(v_view);
        IF v_note IS NOT NULL THEN
            RAISE NOTICE '%: %', v_view.target, v_note;
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._mend_views(oid[]) IS
'Mends the captures of these incremental views that were rebuilt in this transaction, and says so.';
