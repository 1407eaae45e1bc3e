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

-- stale: what was to be refreshed in this run and was not; fresh: what was; lock_wait: how long a lock is waited for.
CREATE FUNCTION lifecycle._refresh_item(
    item lifecycle.refresh_item, stale oid[], fresh oid[], concurrent boolean, lock_wait text,
    search_path text
) RETURNS lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_item lifecycle.refresh_item := item;
    v_is_fed constant boolean := item.depends_on && fresh;
    v_result lifecycle.refresh_result;
BEGIN
    IF item.need = 'none' OR item.need = 'fed' AND NOT v_is_fed AND NOT item.depends_on && stale THEN
        SELECT n.nspname, c.relname, 0, CASE WHEN item.why = 'nothing has changed' THEN 'unchanged' ELSE 'not due' END,
            item.why
        INTO v_result.view_schema, v_result.view_name, v_result.refresh_time_ms, v_result.status, v_result.note
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = item.view;
        UPDATE lifecycle.materialized_view_refresh AS r SET checked_at = clock_timestamp()
        WHERE r.refresh_id = item.refresh_id AND v_result.status = 'unchanged';
    ELSIF item.depends_on && stale THEN
        INSERT INTO lifecycle.materialized_view_refresh (view_schema, view_name, view_oid, started_at, refresh_time_ms,
            status, note)
        SELECT n.nspname, c.relname, c.oid, clock_timestamp(), 0, 'skipped', 'reads what was not refreshed: '
            || (SELECT string_agg(s::regclass::text, ', ' ORDER BY s::regclass::text) FROM unnest(stale) AS s
                WHERE s = ANY (item.depends_on))
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = item.view
        RETURNING view_schema, view_name, 0, status, note
        INTO v_result.view_schema, v_result.view_name, v_result.refresh_time_ms, v_result.status, v_result.note;
    ELSIF item.kind = 'incremental view' THEN
        v_result := lifecycle._refresh_incremental_item(item.view);
    ELSE
        IF v_is_fed THEN
            SELECT m.mark INTO v_item.mark FROM lifecycle._view_marks(ARRAY[item.view]) AS m;
        END IF;
        v_result := lifecycle._refresh_view(v_item, concurrent, lock_wait, _refresh_item.search_path);
    END IF;
    v_result.note := nullif(concat_ws('; ', v_result.note, item.note), '');
    RETURN CASE WHEN v_result.view_name IS NOT NULL THEN v_result END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_item(lifecycle.refresh_item, oid[], oid[], boolean, text, text) IS
'Refreshes a view when it is due, unless it reads one that stayed stale; NULL when it is gone by now.';
