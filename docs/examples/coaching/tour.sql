-- A walk through the system once 00 to 07 have run. `make demo` prints each heading (--:) with what the statements
-- below it return; a heading with an exclamation mark (--!) announces an error. psql runs the file as well, without
-- --single-transaction and without ON_ERROR_STOP.

--: What stands
SELECT
    count(DISTINCT m.tableoid) AS months,
    (SELECT count(*) FROM public.users) AS users,
    (SELECT count(*) FROM public.coaches) AS coaches,
    (SELECT count(*) FROM public.professional_packages) AS packages,
    (SELECT count(*) FROM public.professional_package_subscriptions) AS subscriptions,
    (SELECT count(*) FROM public.payments) AS payments,
    (SELECT count(*) FROM public.user_workouts) AS workouts,
    count(*) AS daily_metrics
FROM public.daily_metrics AS m;
SELECT h.feature, count(*) AS changes, sum(h.steps) AS steps, sum(h.steps_pending) AS pending
FROM lifecycle.migration_history AS h
WHERE h.feature IN ('partition', 'soft_delete', 'expose')
GROUP BY h.feature
ORDER BY h.feature;

--: A package, as everybody sees it
SELECT set_config('coaching.package', s.package_id::text, false)
FROM public.mv_package_performance_stats AS s
ORDER BY s.subscription_count DESC, s.package_id
LIMIT 1;
SELECT p.id, p.name, p.price, p.likes_count
FROM public.active_professional_packages AS p
WHERE p.id = current_setting('coaching.package')::uuid;

--: The service role, which owns nothing, deletes it by the application's call
SELECT set_config(
    'role', coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service'), false
);
SELECT soft_delete_professional_package(package_id => current_setting('coaching.package')::uuid);
SELECT
    (SELECT count(*) FROM active_professional_packages AS a WHERE a.id = p.id) AS in_the_active_view,
    p.deleted_at IS NOT NULL AS marked_in_the_table,
    (SELECT count(*) FROM professional_package_subscriptions AS s WHERE s.package_id = p.id) AS subscriptions_kept
FROM professional_packages AS p
WHERE p.id = current_setting('coaching.package')::uuid;

--: It comes back by a plain UPDATE
UPDATE professional_packages SET deleted_at = NULL
WHERE id = current_setting('coaching.package')::uuid;
SELECT a.id, a.name FROM active_professional_packages AS a WHERE a.id = current_setting('coaching.package')::uuid;

--: The key queries: one month reads one partition
SELECT * FROM benchmark_key_queries();

--: The nightly refresh, by its unqualified name
SELECT r.view_name, r.refresh_time_ms, r.mode, r.status, r.rows FROM refresh_all_materialized_views() AS r;

--: The weekly round: next month's partition, sizes, alert above 10 GB
SELECT
    count(*) AS partitions, sum(w.row_estimate) AS row_estimate, max(w.size_gb) AS largest_gb, bool_or(w.alert) AS alert
FROM weekly_partition_maintenance() AS w;

--: The monthly round: what it looked at, and what needs attention
SELECT m.section, count(*) AS looked_at, count(*) FILTER (WHERE NOT m.ok) AS needs_attention
FROM monthly_maintenance_check() AS m
GROUP BY m.section
ORDER BY m.section;

--: Live and deleted rows
SELECT s.table_name, s.active, s.deleted, s.deletion_rate FROM soft_delete_stats() AS s;

--: What taking soft delete back would do to coach_plans: a dry run, nothing changes
RESET ROLE;
SELECT r.action, count(*) AS steps, min(r.status) AS status
FROM lifecycle.rollback_soft_delete('public.coach_plans') AS r
GROUP BY r.action
ORDER BY min(r.step);

--: A user's target is deleted …
SELECT soft_delete_user_target(target_id => min(t.id::text)::uuid) FROM active_user_targets AS t;

--! … and the rollback of user_targets refuses to choose what becomes of it
SELECT r.step, r.action, r.object, r.status
FROM lifecycle.rollback_soft_delete('public.user_targets', dry_run => false) AS r;

--: So it comes back first
WITH restored AS (UPDATE user_targets SET deleted_at = NULL WHERE deleted_at IS NOT NULL RETURNING id)
SELECT count(*) AS restored FROM restored;

--: Done in earnest on coach_plans: taken back, and enabled once more
SELECT count(*) AS steps_taken_back FROM lifecycle.rollback_soft_delete('public.coach_plans', dry_run => false);
SELECT count(*) AS columns_left FROM pg_catalog.pg_attribute AS a
WHERE a.attrelid = 'public.coach_plans'::regclass AND a.attname IN ('deleted_at', 'deletion_id');
SELECT r.status, count(*) AS steps
FROM lifecycle.enable_soft_delete(
    'public.coach_plans',
    rpc_name => 'soft_delete_coach_plan', restore_rpc_name => 'restore_coach_plan', rpc_argument => 'plan_id',
    follow_foreign_keys => false
) AS r
GROUP BY r.status;
