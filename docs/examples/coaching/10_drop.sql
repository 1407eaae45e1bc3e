-- Removes the application itself, after 09_rollback.sql. The partitions go by their journal, newest first, rows and
-- all: told so, since a rollback never drops rows of its own accord.
SELECT r.action, r.object, r.status
FROM (
    SELECT h.migration_id
    FROM lifecycle.migration_history AS h
    WHERE h.feature = 'partition' AND h.target = 'public.daily_metrics' AND h.state = 'applied'
    ORDER BY h.migration_id DESC
) AS m
CROSS JOIN LATERAL lifecycle.rollback_migration(
    m.migration_id, options => '{"partition_rows": "drop"}', dry_run => false
) AS r;

SET LOCAL client_min_messages = warning;
DROP FUNCTION public.my_client_ids(), public.my_coach_id(), public.current_person() CASCADE; -- takes the policies along
DROP TABLE
public.daily_metrics, public.user_workouts, public.coach_plans, public.user_targets, public.payments,
public.professional_package_subscriptions, public.coach_clients, public.professional_packages, public.coaches,
public.users;

-- The roles belong to the cluster and stay: DROP OWNED BY … and DROP ROLE when nothing else needs them.
DO $do$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY[
        coalesce(nullif(current_setting('coaching.app_role', true), ''), 'coaching_app'),
        coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service')
    ]
    LOOP
        EXECUTE format('REVOKE USAGE ON SCHEMA public FROM %I', v_role);
    END LOOP;
END
$do$;
