CREATE FUNCTION lifecycle.should_refresh_views(threshold bigint DEFAULT 1) RETURNS boolean
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_number('threshold', threshold, 0, hint => 'So many rows were written.');
    RETURN (
        SELECT coalesce(bool_or(s.changes IS NULL OR s.changes >= threshold), false)
        FROM lifecycle._refresh_state() AS s
        JOIN pg_class AS c ON c.oid = s.view
        WHERE lifecycle._may_refresh(s.view)
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle.should_refresh_views(bigint) IS
'Whether a refresh is worth while: the tables of some view were written so often since its last refresh. What was never
refreshed, or cannot be counted, counts. lifecycle.mv_refresh_status tells of each view.

Arguments: threshold - from how many changed rows on, default 1.
Returns: true or false, for the views that the caller may refresh.
Errors: 22023 threshold.
Example: SELECT lifecycle.should_refresh_views(100);';
