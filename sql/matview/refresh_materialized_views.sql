-- No SET clause and no EXCEPTION block here: a procedure that commits can have neither. The lock of the run ends with
-- each transaction; a run that finds it taken leaves the rest to the one that took it.
CREATE PROCEDURE lifecycle.refresh_materialized_views(
    schemas name[] DEFAULT NULL,
    concurrent boolean DEFAULT NULL,
    only_changed boolean DEFAULT false,
    only_due boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) LANGUAGE plpgsql AS $fn$
DECLARE
    v_items lifecycle.refresh_item[] := lifecycle._refresh_order(schemas, only_changed, only_due);
    v_item lifecycle.refresh_item;
    v_result lifecycle.refresh_result;
    v_stale pg_catalog.oid[] := ARRAY[]::pg_catalog.oid[];
    v_fresh pg_catalog.oid[] := ARRAY[]::pg_catalog.oid[];
    v_failures pg_catalog.text[] := ARRAY[]::pg_catalog.text[];
BEGIN
    FOREACH v_item IN ARRAY v_items LOOP
        v_result := lifecycle._lock_refresh_run();
        EXIT WHEN v_result.status IS NOT NULL;
        v_result := lifecycle._refresh_item(v_item, v_stale, v_fresh, concurrent, lifecycle._lock_wait(),
            search_path);
        COMMIT;
        IF v_result.status OPERATOR(pg_catalog.=) 'refreshed' THEN
            v_fresh := pg_catalog.array_append(v_fresh, v_item.view);
        ELSIF v_result.status OPERATOR(pg_catalog.=) ANY (ARRAY['failed', 'skipped']) THEN
            v_stale := pg_catalog.array_append(v_stale, v_item.view);
            v_failures := pg_catalog.array_append(v_failures, pg_catalog.format('%I.%I %s: %s', v_result.view_schema,
                v_result.view_name, v_result.status, pg_catalog.concat_ws(' ', v_result.sqlstate, v_result.error,
                v_result.note)));
        END IF;
    END LOOP;
    PERFORM lifecycle._raise_failures(v_failures, '%s views were not refreshed',
        'The others are, and committed. SELECT * FROM lifecycle.mv_refresh_status shows all.');
END
$fn$;
COMMENT ON PROCEDURE lifecycle.refresh_materialized_views(name[], boolean, boolean, boolean, text) IS
'Refreshes as lifecycle.refresh_all_materialized_views does, but commits after each view, so that no lock outlives its
refresh. The call fails at its end when a view failed. Twins: lifecycle.preview_refresh_materialized_views, its
plan; where only a function can be called, lifecycle.refresh_all_materialized_views, and
lifecycle.refresh_materialized_views_step a slice at a time.

Arguments: schemas - only the views of these schemas, default all; concurrent - true or false for all materialized
views, default where PostgreSQL allows it; only_changed - leave out what reads only tables that were not written since;
only_due - only what lifecycle.manage_materialized_view asks for now; search_path - what the views'' functions see, by
default the caller''s path.
Returns: nothing; lifecycle.mv_refresh_status shows what was done. While another run is under way: a notice, at once.
Errors: 3F000 no such schema; P0001 naming each view that failed or was skipped; 2D000 inside a transaction block.
Example: CALL lifecycle.refresh_materialized_views();';
