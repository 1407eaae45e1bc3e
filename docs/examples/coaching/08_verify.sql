-- Does everything stand, and are the figures right? The last query is the verdict, one row a check. The materialized
-- views are compared with a recount that is written differently (a subquery a figure), after a refresh.
SELECT r.view_name, r.refresh_time_ms, r.mode, r.status
FROM public.refresh_all_materialized_views() AS r;

SELECT s.partition_name, s.row_estimate, pg_size_pretty(s.size_bytes) AS size
FROM public.check_partition_sizes() AS s
WHERE s.parent_schema = 'public' AND s.parent_name = 'daily_metrics'
ORDER BY s.lower_bound;

SELECT * FROM public.benchmark_key_queries();

WITH coach AS (
    SELECT
        c.id,
        (SELECT count(*) FROM public.active_coach_clients AS r WHERE r.coach_id = c.id AND r.status = 'active'),
        (SELECT count(*) FROM public.active_professional_packages AS p WHERE p.coach_id = c.id),
        (SELECT coalesce(sum(p.likes_count), 0) FROM public.active_professional_packages AS p WHERE p.coach_id = c.id),
        (SELECT round(avg(p.likes_count), 2) FROM public.active_professional_packages AS p WHERE p.coach_id = c.id),
        (
            SELECT count(*) FROM public.active_professional_package_subscriptions AS s
            WHERE
                s.status = 'active'
                AND s.package_id IN (SELECT p.id FROM public.professional_packages AS p WHERE p.coach_id = c.id)
        ),
        (
            SELECT coalesce(sum(y.amount), 0) FROM public.payments AS y
            WHERE
                y.status = 'completed'
                AND y.subscription_id IN (
                    SELECT s.id FROM public.professional_package_subscriptions AS s
                    WHERE s.package_id IN (SELECT p.id FROM public.professional_packages AS p WHERE p.coach_id = c.id)
                )
        )
    FROM public.coaches AS c
),

person AS (
    SELECT
        u.id,
        (SELECT count(*) FROM public.daily_metrics AS m WHERE m.user_id = u.id),
        (SELECT max(m.recorded_date) FROM public.daily_metrics AS m WHERE m.user_id = u.id),
        (
            SELECT round(avg(w.calories), 1)
            FROM (
                SELECT sum(m.calories_burned) AS calories FROM public.daily_metrics AS m
                WHERE m.user_id = u.id
                GROUP BY extract(ISOYEAR FROM m.recorded_date), extract(WEEK FROM m.recorded_date)
            ) AS w
        ),
        (SELECT round(avg(w.duration_minutes), 1) FROM public.active_user_workouts AS w WHERE w.user_id = u.id),
        (SELECT round(avg(m.sleep_hours), 2) FROM public.daily_metrics AS m WHERE m.user_id = u.id),
        (SELECT count(*) FROM public.daily_metrics AS m WHERE m.user_id = u.id AND m.workout_minutes > 0)
    FROM public.users AS u
),

package AS (
    SELECT
        p.id,
        p.coach_id,
        p.name,
        (SELECT count(*) FROM public.active_professional_package_subscriptions AS s WHERE s.package_id = p.id),
        (
            SELECT
                round(avg(CASE
                    WHEN EXISTS (
                        SELECT FROM public.payments AS y WHERE y.subscription_id = s.id AND y.status = 'completed'
                    ) THEN 100.0 ELSE 0
                END), 1)
            FROM public.active_professional_package_subscriptions AS s WHERE s.package_id = p.id
        ),
        p.likes_count,
        (
            SELECT count(*) FROM public.active_professional_package_subscriptions AS s
            WHERE s.package_id = p.id AND s.status = 'active'
        ),
        (
            SELECT count(*) FROM public.active_professional_package_subscriptions AS s
            WHERE s.package_id = p.id AND s.status = 'cancelled'
        )
    FROM public.active_professional_packages AS p
),

target AS (
    SELECT
        t.id,
        t.user_id,
        t.metric_type,
        t.target_value,
        round(a.calories, 1),
        round(a.achieved, 1),
        round(100 * a.achieved / t.target_value, 1),
        a.days,
        a.last_day
    FROM public.active_user_targets AS t
    CROSS JOIN LATERAL (
        SELECT
            avg(d.calories_burned) AS calories,
            avg((to_jsonb(d) ->> t.metric_type)::numeric) AS achieved,
            count(to_jsonb(d) ->> t.metric_type) AS days,
            max(d.recorded_date) FILTER (WHERE to_jsonb(d) ->> t.metric_type IS NOT NULL) AS last_day
        FROM public.daily_metrics AS d
        WHERE d.user_id = t.user_id AND d.recorded_date BETWEEN t.start_date AND coalesce(t.end_date, 'infinity')
    ) AS a
),

verdict (check_name, expected, found) AS (
    SELECT
        'daily metrics', coalesce(nullif(current_setting('coaching.daily_metrics', true), ''), '200000'),
        (SELECT count(*)::text FROM public.daily_metrics)
    UNION ALL
    SELECT
        'users', coalesce(nullif(current_setting('coaching.users', true), ''), '2000'),
        (SELECT count(*)::text FROM public.users)
    UNION ALL
    SELECT
        'coaches', coalesce(nullif(current_setting('coaching.coaches', true), ''), '200'),
        (SELECT count(*)::text FROM public.coaches)
    UNION ALL
    SELECT
        'months that hold data, each in a partition of its own', '12',
        (SELECT count(DISTINCT m.tableoid)::text FROM public.daily_metrics AS m)
    UNION ALL
    SELECT
        'entries outside the partition that bears their month', '0',
        (
            SELECT count(*)::text FROM public.daily_metrics AS m
            INNER JOIN pg_catalog.pg_class AS c ON c.oid = m.tableoid
            WHERE c.relname <> 'daily_metrics_' || to_char(m.recorded_date, 'YYYY_MM')
        )
    UNION ALL
    SELECT
        'a month''s query reads one partition', '1',
        (
            SELECT b.partitions_read::text FROM public.benchmark_key_queries() AS b
            WHERE b.query_name = 'one person, one month'
        )
    UNION ALL
    SELECT
        'rows of mv_coach_performance_stats that differ from a recount', '0',
        (
            SELECT count(*)::text FROM public.mv_coach_performance_stats AS v
            FULL JOIN coach AS r ON r.id = v.coach_id WHERE v IS DISTINCT FROM r
        )
    UNION ALL
    SELECT
        'rows of mv_user_health_metrics_summary that differ', '0',
        (
            SELECT count(*)::text FROM public.mv_user_health_metrics_summary AS v
            FULL JOIN person AS r ON r.id = v.user_id WHERE v IS DISTINCT FROM r
        )
    UNION ALL
    SELECT
        'rows of mv_package_performance_stats that differ', '0',
        (
            SELECT count(*)::text FROM public.mv_package_performance_stats AS v
            FULL JOIN package AS r ON r.id = v.package_id WHERE v IS DISTINCT FROM r
        )
    UNION ALL
    SELECT
        'rows of mv_user_target_achievement that differ', '0',
        (
            SELECT count(*)::text FROM public.mv_user_target_achievement AS v
            FULL JOIN target AS r ON r.id = v.target_id WHERE v IS DISTINCT FROM r
        )
    UNION ALL
    SELECT
        'active views that show their callers'' rights, not the owner''s', '6',
        (
            SELECT count(*)::text FROM pg_catalog.pg_class AS c
            WHERE
                c.relnamespace = 'public'::regnamespace AND c.relname LIKE 'active\_%' AND c.relkind = 'v'
                AND 'security_invoker=true' = ANY (c.reloptions)
        )
    UNION ALL
    SELECT
        'live rows in the active views',
        (SELECT sum(s.active)::text FROM public.soft_delete_stats() AS s),
        (
            SELECT
                (
                    (SELECT count(*) FROM public.active_professional_packages)
                    + (SELECT count(*) FROM public.active_coach_clients)
                    + (SELECT count(*) FROM public.active_professional_package_subscriptions)
                    + (SELECT count(*) FROM public.active_user_targets)
                    + (SELECT count(*) FROM public.active_coach_plans)
                    + (SELECT count(*) FROM public.active_user_workouts)
                )::text
        )
    UNION ALL
    SELECT
        'things that the service role owns', '0',
        (
            SELECT count(*)::text FROM pg_catalog.pg_shdepend AS d
            INNER JOIN pg_catalog.pg_roles AS r ON r.oid = d.refobjid
            WHERE
                d.deptype = 'o' AND d.refclassid = 'pg_catalog.pg_authid'::regclass
                AND r.rolname = coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service')
        )
)

SELECT v.check_name, v.expected, v.found, v.expected = v.found AS ok
FROM verdict AS v;
