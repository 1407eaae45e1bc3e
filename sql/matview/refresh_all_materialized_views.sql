CREATE FUNCTION lifecycle.refresh_all_materialized_views(
    schemas name[] DEFAULT NULL,
    concurrent boolean DEFAULT NULL,
    only_changed boolean DEFAULT false,
    only_due boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_item lifecycle.refresh_item;
    v_result lifecycle.refresh_result := lifecycle._lock_refresh_run();
    v_stale oid[] := ARRAY[]::oid[];
    v_fresh oid[] := ARRAY[]::oid[];
    v_wait text := lifecycle._lock_wait();
    v_rebuilt oid[] := ARRAY[]::oid[];
    v_failed integer := 0;
BEGIN
    IF v_result.status IS NOT NULL THEN
        RETURN NEXT v_result;
        RETURN;
    END IF;
    PERFORM set_config('lifecycle.mending', 'later', true);
    FOREACH v_item IN ARRAY lifecycle._refresh_order(schemas, only_changed, only_due) LOOP
        v_result := lifecycle._refresh_item(v_item, v_stale, v_fresh, concurrent, v_wait,
            refresh_all_materialized_views.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        CONTINUE WHEN v_result.status IS NULL;
        IF v_result.status IN ('failed', 'skipped') THEN
            v_stale := v_stale || v_item.view;
            v_failed := v_failed + (v_result.status = 'failed')::integer;
        ELSIF v_result.status = 'refreshed' THEN
            v_fresh := v_fresh || v_item.view;
            -- Now there is a lock in hand.
            v_wait := CASE v_item.kind WHEN 'materialized view' THEN '1ms' ELSE v_wait END;
        END IF;
        v_rebuilt := v_rebuilt || CASE v_result.mode WHEN 'rebuild' THEN v_item.view END;
        RETURN NEXT v_result;
    END LOOP;
    PERFORM lifecycle._mend_views(v_rebuilt);
    -- A caller may not read the rows.
    IF v_failed > 0 THEN
        RAISE WARNING '% views failed, % were skipped because of them', v_failed, cardinality(v_stale) - v_failed;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle.refresh_all_materialized_views(name[], boolean, boolean, boolean, text) IS
'Refreshes every materialized view that the caller may refresh (its own; since PostgreSQL 17 also by the MAINTAIN
privilege), and its incremental views, each after those that it reads. A view that fails stops no other; what reads it
is skipped. All in one transaction, whose locks last to its end; CALL lifecycle.refresh_materialized_views() commits
after each.

Arguments: schemas - only the views of these schemas, default all; concurrent - true or false for all materialized
views, default where PostgreSQL allows it (readers go on meanwhile); only_changed - leave out what reads only tables
that were not written since its last refresh; only_due - only what lifecycle.manage_materialized_view asks for now;
search_path - what the views'' functions see, by default the caller''s path (PostgreSQL 17 and later pins it itself).
Returns: one row a view in refresh order (lifecycle.refresh_result): view_schema, view_name; refresh_time_ms in
milliseconds; mode concurrent, plain, incremental or rebuild; status refreshed, unchanged, not due, failed, skipped or
busy (a row without a view: another run is under way); rows as the planner reckons; bytes with indexes; sqlstate and
error of a failure; note, for example why it was not concurrent.
Errors: none for a view: those are rows, and a warning is raised.
Example: SELECT view_name, refresh_time_ms, status FROM lifecycle.refresh_all_materialized_views();';
