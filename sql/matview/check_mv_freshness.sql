CREATE FUNCTION lifecycle.check_mv_freshness(max_age interval DEFAULT '1 day') RETURNS SETOF lifecycle.view_freshness
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_span('max_age', max_age);
    RETURN QUERY
    SELECT (ROW(
        CASE WHEN f.finding IN ('fresh', 'unchanged') THEN 'ok' WHEN f.finding = 'no data' THEN 'error'
            ELSE 'warning' END,
        format('%s %I.%I', s.kind, s.view_schema, s.view_name),
        f.finding,
        concat_ws('; ',
            CASE f.finding
                WHEN 'no data' THEN 'it was never populated, reading it is an error'
                WHEN 'never refreshed' THEN 'not by pg_lifecycle; PostgreSQL does not record a refresh by hand'
                WHEN 'unchanged' THEN format('last refreshed %s ago, and what it reads was not written since',
                    date_trunc('second', clock_timestamp() - s.last_refreshed_at))
                ELSE format('last refreshed %s ago', date_trunc('second', clock_timestamp() - s.last_refreshed_at))
            END,
            CASE WHEN s.refreshed_by_hand THEN 'refreshed by hand since, nobody knows when' END,
            CASE WHEN s.last_status IN ('failed', 'skipped')
                THEN format('the last try %s: %s', s.last_status, s.last_error) END),
        CASE WHEN f.finding NOT IN ('fresh', 'unchanged') THEN format('SELECT * FROM lifecycle.refresh_%s(%L)',
            replace(s.kind, ' ', '_'), format('%I.%I', s.view_schema, s.view_name)) END,
        s.view_schema, s.view_name, s.last_refreshed_at, s.seconds_old, s.data_as_of, s.checked_at
    )::lifecycle.view_freshness).*
    FROM lifecycle.mv_refresh_status AS s
    CROSS JOIN LATERAL (SELECT CASE
        WHEN NOT s.is_populated THEN 'no data'
        WHEN s.last_refreshed_at IS NULL THEN 'never refreshed'
        WHEN s.last_refreshed_at < clock_timestamp() - check_mv_freshness.max_age AND s.changes_since = 0
            AND s.kind = 'materialized view' THEN 'unchanged'
        WHEN s.last_refreshed_at < clock_timestamp() - check_mv_freshness.max_age THEN 'stale'
        ELSE 'fresh'
    END AS finding) AS f
    ORDER BY s.seconds_old DESC NULLS FIRST, s.view_schema, s.view_name;
END
$fn$;
COMMENT ON FUNCTION lifecycle.check_mv_freshness(interval) IS
'How old the data of each materialized or incremental view is, by the history of
lifecycle.refresh_all_materialized_views and its kin.

Arguments: max_age - older is stale, an interval with its unit, default one day.
Returns: one row a view, the oldest first (lifecycle.view_freshness): severity, object, finding (fresh,
unchanged: old, but what it reads was not written since; stale, never refreshed, no data), detail, remedy; view_schema,
view_name, last_refreshed_at, seconds_old; two clocks: data_as_of, and checked_at, when it was last looked at.
Errors: none.
Example: SELECT view_name, seconds_old FROM lifecycle.check_mv_freshness(''6 hours'') WHERE severity <> ''ok'';';
