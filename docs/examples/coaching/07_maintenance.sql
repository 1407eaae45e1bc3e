-- The weekly and the monthly round, as functions that the service role calls from its scheduler.
-- They run with the caller's rights: what needs the owner's goes through the wrappers of 06_api.sql.

-- Runs the queries that matter and reads their plans: how long, against which target, how many partitions.
CREATE FUNCTION public.benchmark_key_queries()
RETURNS TABLE (query_name text, milliseconds numeric, target_ms integer, partitions_read bigint, ok boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
DECLARE
    -- the newest month that holds entries, and somebody who wrote some
    v_month date := (
        SELECT date_trunc('month', max(h.last_metric_date)) FROM public.mv_user_health_metrics_summary AS h
    );
    v_person uuid := (
        SELECT dm.user_id FROM public.daily_metrics AS dm
        WHERE dm.recorded_date >= v_month AND dm.recorded_date < v_month + interval '1 month' LIMIT 1
    );
    v_coach uuid := (SELECT c.coach_id FROM public.mv_coach_performance_stats AS c LIMIT 1);
    v_month_text text := format(
        'dm.recorded_date >= %L AND dm.recorded_date < %L', v_month, (v_month + interval '1 month')::date
    );
    v_query text;
    v_most bigint; -- partitions that the plan may touch
    v_plan jsonb;
BEGIN
    FOR query_name, target_ms, v_most, v_query IN
        VALUES
        (
            'one person, one month', 100, 1,
            format('SELECT * FROM public.daily_metrics AS dm WHERE dm.user_id = %L AND %s', v_person, v_month_text)
        ),
        (
            'everybody, one month', 100, 1,
            format('SELECT count(*), avg(dm.steps) FROM public.daily_metrics AS dm WHERE %s', v_month_text)
        ),
        (
            'one person, all months', 100, NULL,
            format('SELECT * FROM public.daily_metrics AS dm WHERE dm.user_id = %L', v_person)
        ),
        (
            'coach dashboard', 300, NULL,
            format('SELECT * FROM public.mv_coach_performance_stats AS s WHERE s.coach_id = %L', v_coach)
        ),
        (
            'package search', 60, NULL,
            'SELECT * FROM public.active_professional_packages AS p WHERE p.name ILIKE ''%strong%'''
        )
    LOOP
        EXECUTE 'EXPLAIN (ANALYZE, FORMAT JSON) ' || v_query INTO v_plan;
        milliseconds := round(
            (v_plan #>> '{0,Planning Time}')::numeric + (v_plan #>> '{0,Execution Time}')::numeric, 2
        );
        -- what was planned and never started was pruned at run time
        partitions_read := (
            SELECT count(DISTINCT n.node ->> 'Relation Name')
            FROM jsonb_path_query(v_plan, '$.** ? (exists (@."Relation Name") && @."Actual Loops" > 0)') AS n (node)
            INNER JOIN pg_class AS c ON c.relname = n.node ->> 'Relation Name'
            INNER JOIN pg_inherits AS i ON i.inhrelid = c.oid
            WHERE i.inhparent = 'public.daily_metrics'::regclass
        );
        ok := milliseconds <= target_ms AND (v_most IS NULL OR partitions_read <= v_most);
        RETURN NEXT;
    END LOOP;
END
$fn$;

-- Weekly: next month's partition, then the sizes. A partition above the limit goes to whoever listens on coaching_ops.
CREATE FUNCTION public.weekly_partition_maintenance(alert_above_gb numeric DEFAULT 10)
RETURNS TABLE (partition_name text, size_gb numeric, row_estimate bigint, alert boolean)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $fn$
BEGIN
    PERFORM public.create_monthly_daily_metrics_partition();
    FOR partition_name, size_gb, row_estimate IN
        SELECT s.partition_name, s.size_gb, s.row_estimate
        FROM public.check_partition_sizes() AS s
        WHERE s.parent_schema = 'public' AND s.parent_name = 'daily_metrics'
        ORDER BY s.lower_bound
    LOOP
        alert := size_gb > alert_above_gb;
        IF alert THEN
            PERFORM pg_notify('coaching_ops', format('large partition: %s, %s GB', partition_name, size_gb));
        END IF;
        RETURN NEXT;
    END LOOP;
END
$fn$;

-- Monthly: sizes, age of the views, share of deleted rows, key queries; ok says what needs no attention.
CREATE FUNCTION public.monthly_maintenance_check(
    max_view_age interval DEFAULT '26 hours', max_deletion_rate numeric DEFAULT 50
)
RETURNS TABLE (section text, item text, found text, ok boolean)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $fn$
    SELECT 'partition size', s.partition_name, pg_size_pretty(s.size_bytes), NOT s.alert
    FROM public.check_partition_sizes() AS s
    WHERE s.parent_schema = 'public' AND s.parent_name = 'daily_metrics'
    UNION ALL
    SELECT 'view freshness', f.view_name, f.detail, f.severity = 'ok'
    FROM public.check_mv_freshness(max_view_age) AS f
    WHERE f.view_schema = 'public'
    UNION ALL
    SELECT
        'soft delete',
        d.table_name,
        format('%s active, %s deleted, %s %%', d.active, d.deleted, coalesce(d.deletion_rate, 0)),
        coalesce(d.deletion_rate, 0) <= max_deletion_rate
    FROM public.soft_delete_stats() AS d
    WHERE d.table_schema = 'public'
    UNION ALL
    SELECT
        'key query',
        q.query_name,
        format('%s ms of %s, %s partitions read', q.milliseconds, q.target_ms, q.partitions_read),
        q.ok
    FROM public.benchmark_key_queries() AS q
$fn$;
