-- The four materialized views.
-- Each fact is summed up in its own subquery before it is joined: joining clients, packages, subscriptions and payments
-- first would count every payment once for each client.
-- The predicate `deleted_at IS NULL` stands here instead of the active_ views, so that those can be made anew freely.
-- No now() in a definition: it would make every row differ at every refresh, and CONCURRENTLY rewrite all of them.

CREATE MATERIALIZED VIEW public.mv_coach_performance_stats AS
SELECT
    c.id AS coach_id,
    coalesce(cc.n, 0) AS total_clients,
    coalesce(p.n, 0) AS total_packages,
    coalesce(p.likes, 0) AS total_likes,
    round(p.likes::numeric / p.n, 2) AS avg_likes_per_package,
    coalesce(s.n, 0) AS active_subscriptions,
    coalesce(e.amount, 0) AS total_earnings
FROM public.coaches AS c
LEFT JOIN (
    SELECT r.coach_id, count(*) AS n
    FROM public.coach_clients AS r
    WHERE r.status = 'active' AND r.deleted_at IS NULL
    GROUP BY r.coach_id
) AS cc ON cc.coach_id = c.id
LEFT JOIN (
    SELECT pp.coach_id, count(*) AS n, sum(pp.likes_count) AS likes
    FROM public.professional_packages AS pp
    WHERE pp.deleted_at IS NULL
    GROUP BY pp.coach_id
) AS p ON p.coach_id = c.id
-- Subscriptions and payments count also where the package was withdrawn since: they run on, and the money was earned.
LEFT JOIN (
    SELECT pp.coach_id, count(*) AS n
    FROM public.professional_package_subscriptions AS ps
    INNER JOIN public.professional_packages AS pp ON pp.id = ps.package_id
    WHERE ps.status = 'active' AND ps.deleted_at IS NULL
    GROUP BY pp.coach_id
) AS s ON s.coach_id = c.id
LEFT JOIN (
    SELECT pp.coach_id, sum(pay.amount) AS amount
    FROM public.payments AS pay
    INNER JOIN public.professional_package_subscriptions AS ps ON ps.id = pay.subscription_id
    INNER JOIN public.professional_packages AS pp ON pp.id = ps.package_id
    WHERE pay.status = 'completed'
    GROUP BY pp.coach_id
) AS e ON e.coach_id = c.id;

CREATE UNIQUE INDEX mv_coach_performance_stats_key ON public.mv_coach_performance_stats (coach_id);
CREATE INDEX mv_coach_performance_stats_earnings_idx ON public.mv_coach_performance_stats (total_earnings DESC);

CREATE MATERIALIZED VIEW public.mv_user_health_metrics_summary AS
SELECT
    u.id AS user_id,
    coalesce(m.days, 0) AS total_metrics_recorded,
    m.last_day AS last_metric_date,
    round(m.calories::numeric / m.weeks, 1) AS avg_calories_burned, -- in an average week
    round(w.minutes::numeric / w.sessions, 1) AS avg_workout_minutes, -- in an average session
    round(m.sleep / m.nights, 2) AS avg_sleep_hours, -- in an average night that was measured
    coalesce(m.active_days, 0) AS active_days -- days with a workout
FROM public.users AS u
LEFT JOIN (
    SELECT
        week.user_id,
        sum(week.days)::bigint AS days,
        max(week.last_day) AS last_day,
        count(week.calories) AS weeks,
        sum(week.calories) AS calories,
        sum(week.sleep) AS sleep,
        nullif(sum(week.nights), 0) AS nights,
        sum(week.active_days)::bigint AS active_days
    FROM (
        SELECT
            dm.user_id,
            count(*) AS days,
            max(dm.recorded_date) AS last_day,
            sum(dm.calories_burned) AS calories,
            sum(dm.sleep_hours) AS sleep,
            count(dm.sleep_hours) AS nights,
            count(*) FILTER (WHERE dm.workout_minutes > 0) AS active_days
        FROM public.daily_metrics AS dm
        -- weeks from Monday; date_trunc('week', …) would depend on the session's time zone
        GROUP BY dm.user_id, (dm.recorded_date - date '1900-01-01') / 7
    ) AS week
    GROUP BY week.user_id
) AS m ON m.user_id = u.id
LEFT JOIN (
    SELECT uw.user_id, count(*) AS sessions, sum(uw.duration_minutes) AS minutes
    FROM public.user_workouts AS uw
    WHERE uw.deleted_at IS NULL
    GROUP BY uw.user_id
) AS w ON w.user_id = u.id;

CREATE UNIQUE INDEX mv_user_health_metrics_summary_key ON public.mv_user_health_metrics_summary (user_id);

CREATE MATERIALIZED VIEW public.mv_package_performance_stats AS
SELECT
    p.id AS package_id,
    p.coach_id,
    p.name,
    coalesce(s.n, 0) AS subscription_count,
    round(100.0 * s.paid / s.n, 1) AS completion_rate, -- per cent that have paid; NULL where nobody subscribed
    p.likes_count,
    coalesce(s.active, 0) AS active_subscriptions,
    coalesce(s.cancelled, 0) AS cancelled_subscriptions
FROM public.professional_packages AS p
LEFT JOIN (
    SELECT
        ps.package_id,
        count(*) AS n,
        count(*) FILTER (WHERE ps.status = 'active') AS active,
        count(*) FILTER (WHERE ps.status = 'cancelled') AS cancelled,
        count(paid.subscription_id) AS paid
    FROM public.professional_package_subscriptions AS ps
    LEFT JOIN (
        SELECT DISTINCT pay.subscription_id
        FROM public.payments AS pay
        WHERE pay.status = 'completed'
    ) AS paid ON paid.subscription_id = ps.id
    WHERE ps.deleted_at IS NULL
    GROUP BY ps.package_id
) AS s ON s.package_id = p.id
WHERE p.deleted_at IS NULL;

CREATE UNIQUE INDEX mv_package_performance_stats_key ON public.mv_package_performance_stats (package_id);
CREATE INDEX mv_package_performance_stats_coach_id_idx ON public.mv_package_performance_stats (coach_id);

CREATE MATERIALIZED VIEW public.mv_user_target_achievement AS
SELECT
    a.target_id,
    a.user_id,
    a.metric_type,
    a.target_value,
    round(a.calories, 1) AS actual_avg_calories,
    round(a.achieved, 1) AS actual_avg, -- of the target's own metric
    round(100 * a.achieved / a.target_value, 1) AS achievement_percentage,
    a.days_tracked,
    a.last_tracked_date
FROM (
    SELECT
        t.id AS target_id,
        t.user_id,
        t.metric_type,
        t.target_value,
        avg(m.calories_burned) AS calories,
        avg(v.achieved) AS achieved,
        count(v.achieved) AS days_tracked,
        max(m.recorded_date) FILTER (WHERE v.achieved IS NOT NULL) AS last_tracked_date
    FROM public.user_targets AS t
    LEFT JOIN public.daily_metrics AS m
        ON
            m.user_id = t.user_id
            AND m.recorded_date >= t.start_date
            AND (t.end_date IS NULL OR m.recorded_date <= t.end_date)
    CROSS JOIN LATERAL (
        SELECT
            CASE t.metric_type
                WHEN 'calories_burned' THEN m.calories_burned
                WHEN 'workout_minutes' THEN m.workout_minutes
                WHEN 'sleep_hours' THEN m.sleep_hours
                WHEN 'steps' THEN m.steps
            END AS achieved
    ) AS v
    WHERE t.deleted_at IS NULL
    GROUP BY t.id
) AS a;

CREATE UNIQUE INDEX mv_user_target_achievement_key ON public.mv_user_target_achievement (target_id);
CREATE INDEX mv_user_target_achievement_user_id_idx ON public.mv_user_target_achievement (user_id);

-- A materialized view has no row security: with SELECT on it, every coach would read every coach's earnings. So the
-- service reads the views themselves, and people read their own rows. These views are deliberately not
-- security_invoker (the people have no right to what is below); security_barrier keeps leaky functions out.
CREATE VIEW public.my_coach_performance_stats WITH (security_barrier) AS
SELECT s.* FROM public.mv_coach_performance_stats AS s
WHERE s.coach_id = (SELECT public.my_coach_id());

CREATE VIEW public.my_package_performance_stats WITH (security_barrier) AS
SELECT s.* FROM public.mv_package_performance_stats AS s
WHERE s.coach_id = (SELECT public.my_coach_id());

CREATE VIEW public.my_health_metrics_summary WITH (security_barrier) AS
SELECT s.* FROM public.mv_user_health_metrics_summary AS s
WHERE s.user_id = (SELECT public.current_person());

CREATE VIEW public.my_target_achievement WITH (security_barrier) AS
SELECT s.* FROM public.mv_user_target_achievement AS s
WHERE s.user_id = (SELECT public.current_person());

DO $do$
DECLARE
    v_app text := coalesce(nullif(current_setting('coaching.app_role', true), ''), 'coaching_app');
    v_service text := coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service');
BEGIN
    EXECUTE format(
        'GRANT SELECT ON public.mv_coach_performance_stats, public.mv_user_health_metrics_summary, '
        'public.mv_package_performance_stats, public.mv_user_target_achievement TO %I', v_service
    );
    EXECUTE format(
        'GRANT SELECT ON public.my_coach_performance_stats, public.my_package_performance_stats, '
        'public.my_health_metrics_summary, public.my_target_achievement TO %I', v_app
    );
END
$do$;
