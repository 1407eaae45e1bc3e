CREATE FUNCTION lifecycle.refresh_all_materialized_views(
    schemas name[] DEFAULT NULL,
    concurrent boolean DEFAULT NULL,
    only_changed boolean DEFAULT false,
    only_due boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN QUERY SELECT * FROM lifecycle._refresh_run(schemas, concurrent, only_changed, only_due, NULL, NULL,
        refresh_all_materialized_views.search_path);
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
Errors: 3F000 no such schema; none for a view: those are rows, and a warning is raised.
Example: SELECT view_name, refresh_time_ms, status FROM lifecycle.refresh_all_materialized_views();';
