-- One run at a time in a database: a second one would only wait for the locks of the first, view by view.
CREATE FUNCTION lifecycle._lock_refresh_run() RETURNS lifecycle.refresh_result
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_class constant integer := 27751;
    v_result lifecycle.refresh_result;
    v_holder integer;
BEGIN
    IF pg_try_advisory_xact_lock(v_class, 0) THEN
        RETURN NULL;
    END IF;
    SELECT l.pid INTO v_holder FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = v_class::oid AND l.objsubid = 2
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    LIMIT 1;
    v_result.status := 'busy';
    v_result.note := concat_ws(' ', 'another run is under way in process', coalesce(v_holder::text, '?'));
    RAISE NOTICE 'nothing was refreshed: %', v_result.note;
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_refresh_run() IS
'Takes the lock of a run to the end of the transaction and returns NULL, or says at once who holds it.';

CREATE FUNCTION lifecycle._refresh_item(
    item lifecycle.refresh_item, stale oid[], concurrent boolean, search_path text
) RETURNS lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_result lifecycle.refresh_result;
    v_stale text;
BEGIN
    SELECT n.nspname, c.relname INTO v_result.view_schema, v_result.view_name
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = item.view AND c.relkind = 'm';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT string_agg(s::regclass::text, ', ' ORDER BY s::regclass::text) INTO v_stale
    FROM unnest(stale) AS s WHERE s = ANY (item.depends_on);
    IF v_stale IS NULL THEN
        v_result := lifecycle._refresh_view(item.view, concurrent, _refresh_item.search_path);
    ELSE
        v_result.refresh_time_ms := 0;
        v_result.status := 'skipped';
        v_result.note := 'reads what was not refreshed: ' || v_stale;
        INSERT INTO lifecycle.materialized_view_refresh (view_schema, view_name, view_oid, started_at, refresh_time_ms,
            status, note)
        VALUES (v_result.view_schema, v_result.view_name, item.view, clock_timestamp(), 0, v_result.status,
            v_result.note);
    END IF;
    v_result.note := nullif(concat_ws('; ', v_result.note, item.note), '');
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_item(lifecycle.refresh_item, oid[], boolean, text) IS
'Refreshes a view unless it reads one that stayed stale; NULL when it is gone by now.';
