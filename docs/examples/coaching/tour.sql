-- A walk through the system once 00 to 07 have run. `make demo` prints each heading (--:) with what the statements
-- below it return; a heading with an exclamation mark (--!) announces an error. psql runs the file as well, without
-- --single-transaction and without ON_ERROR_STOP.

--: A package, as everybody sees it
SELECT p.id, p.name, p.price, p.likes_count
FROM public.active_professional_packages AS p
WHERE p.id = (SELECT min(t.id::text)::uuid FROM public.active_professional_packages AS t);

--: The service role, which owns nothing, deletes it by the application's call
SELECT set_config('coaching.package', min(t.id::text), false)
FROM public.active_professional_packages AS t;
SELECT set_config('role', coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service'), false);
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
SELECT r.view_name, r.refresh_time_ms, r.mode, r.status, r.row_estimate FROM refresh_all_materialized_views() AS r;

--: The weekly round: next month's partition, sizes, alert above 10 GB
SELECT * FROM weekly_partition_maintenance();

--: Live and deleted rows
SELECT * FROM check_soft_delete_stats();

--: What taking soft delete back would do to user_targets: a dry run, nothing changes
RESET ROLE;
SELECT r.step, r.action, r.object, r.status FROM lifecycle.rollback_soft_delete('public.user_targets') AS r;

--! And where rows are deleted, it refuses to choose for you
SELECT r.step, r.action, r.object, r.status
FROM lifecycle.rollback_soft_delete('public.professional_packages', dry_run => false) AS r;
