CREATE FUNCTION lifecycle.refresh_load(period interval DEFAULT '1 day')
RETURNS TABLE (
    view_schema text, view_name text, refreshes bigint, failures bigint, total_seconds numeric, mean_ms numeric,
    max_ms numeric, time_share numeric
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_span('period', period);
    RETURN QUERY
    WITH span AS (
        -- No longer than the history goes back.
        SELECT extract(epoch FROM least(period, clock_timestamp() - min(r.started_at))) AS seconds
        FROM lifecycle.materialized_view_refresh AS r
    )
    SELECT r.view_schema, r.view_name, count(*) FILTER (WHERE r.status = 'refreshed'),
        count(*) FILTER (WHERE r.status = 'failed'), round(sum(r.refresh_time_ms) / 1000, 3),
        round(avg(r.refresh_time_ms) FILTER (WHERE r.status = 'refreshed'), 3),
        max(r.refresh_time_ms) FILTER (WHERE r.status = 'refreshed'),
        round(sum(r.refresh_time_ms) / 10 / nullif(s.seconds, 0), 3)
    FROM lifecycle.materialized_view_refresh AS r
    CROSS JOIN span AS s
    WHERE r.started_at > clock_timestamp() - period
    GROUP BY GROUPING SETS ((r.view_schema, r.view_name, s.seconds), (s.seconds))
    HAVING count(*) > 0
    ORDER BY grouping(r.view_name) DESC, sum(r.refresh_time_ms) DESC;
END
$fn$;
COMMENT ON FUNCTION lifecycle.refresh_load(interval) IS
'How much time goes into refreshing, by the history: all views together first, then each.

Arguments: period - how far to look back, an interval with its unit, default one day.
Returns: view_schema, view_name (NULL: all together); refreshes, failures; total_seconds spent; mean_ms, max_ms of those
that succeeded; time_share, in percent of the period, or of the time that the history goes back.
Errors: none.
Example: SELECT view_name, refreshes, time_share FROM lifecycle.refresh_load(''1 hour'');';
