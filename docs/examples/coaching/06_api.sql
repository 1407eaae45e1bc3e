-- Unqualified calls for a service role that owns nothing.
-- Wrappers in public for four functions of pg_lifecycle, and one function of the system's own. REFRESH and ATTACH
-- PARTITION need the owner, so they run with the rights of the owner of the tables; only the service may call them.
DO $do$
DECLARE
    v_service text := coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service');
BEGIN
    PERFORM lifecycle.begin_migration('coaching api'); -- a name to roll back by
    PERFORM lifecycle.expose(
        'public',
        ARRAY['refresh_all_materialized_views', 'check_mv_freshness', 'check_partition_sizes', 'soft_delete_stats'],
        grant_to => ARRAY[v_service::name], as_owner => true
    );
    PERFORM lifecycle.end_migration();
END
$do$;

-- Next month's partition of daily_metrics; its scheduler may call it as often as it likes.
CREATE FUNCTION public.create_monthly_daily_metrics_partition()
RETURNS TABLE (partition_name text, status text)
LANGUAGE sql
SECURITY DEFINER -- see above; it takes no argument, so there is nothing that a caller could choose
SET search_path = pg_catalog, pg_temp
AS $fn$
    SELECT r.object, r.status
    FROM lifecycle.create_monthly_partition(
        'public.daily_metrics', (date_trunc('month', current_date) + interval '1 month')::date
    ) AS r;
$fn$;
REVOKE ALL ON FUNCTION public.create_monthly_daily_metrics_partition() FROM public;

DO $do$
BEGIN
    EXECUTE format(
        'GRANT EXECUTE ON FUNCTION public.create_monthly_daily_metrics_partition() TO %I',
        coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service')
    );
END
$do$;
