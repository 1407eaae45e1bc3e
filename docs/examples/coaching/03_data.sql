-- Made-up data, the same at every run. What looks random is a hash of the row's number.
--     SET coaching.daily_metrics = 200000;        rows of daily_metrics, over the twelve months before the anchor
--     SET coaching.users = 2000;                  the first of them are the coaches
--     SET coaching.coaches = 200;
--     SET coaching.anchor_month = '2026-05-01';   default: this month
-- The helpers live in pg_temp and go with the session.
CREATE OR REPLACE FUNCTION pg_temp.size_of(setting text, preset bigint) RETURNS bigint
LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('coaching.' || setting, true), '')::bigint, preset);

CREATE OR REPLACE FUNCTION pg_temp.anchor() RETURNS date
LANGUAGE sql STABLE
RETURN date_trunc('month', coalesce(
    nullif(current_setting('coaching.anchor_month', true), '')::date, current_date
))::date;

-- [0, 1)
CREATE OR REPLACE FUNCTION pg_temp.chance(salt text) RETURNS double precision
LANGUAGE sql IMMUTABLE
RETURN ('x' || left(md5(salt), 8))::bit(32)::bigint / 4294967296.0::double precision;

CREATE OR REPLACE FUNCTION pg_temp.key_of(kind text, number bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE
RETURN md5('coaching ' || kind || ' ' || number)::uuid;

DO $do$
DECLARE
    v_users bigint := pg_temp.size_of('users', 2000);
    v_coaches bigint := pg_temp.size_of('coaches', 200);
    v_metrics bigint := pg_temp.size_of('daily_metrics', 200000);
    v_days bigint := pg_temp.anchor() - (pg_temp.anchor() - interval '12 months')::date;
BEGIN
    IF v_users <= v_coaches THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s coaches need more than %s users', v_coaches, v_users),
            HINT = 'Raise coaching.users or lower coaching.coaches.';
    END IF;
    IF v_metrics > v_users * v_days THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s users have no room for %s daily metrics', v_users, v_metrics),
            DETAIL = format('There is one entry for a person and day: %s at most.', v_users * v_days),
            HINT = 'Raise coaching.users or lower coaching.daily_metrics.';
    END IF;
    RAISE NOTICE 'people, packages, subscriptions, plans …';
END
$do$;

INSERT INTO public.users (id, email, full_name, created_at)
SELECT
    pg_temp.key_of('user', n),
    format('user%s@example.com', n),
    format('User %s', n),
    pg_temp.anchor() - interval '13 months' - n % 300 * interval '1 day'
FROM generate_series(1, pg_temp.size_of('users', 2000)) AS n;

INSERT INTO public.coaches (id, user_id, specialty, created_at)
SELECT
    pg_temp.key_of('coach', n),
    pg_temp.key_of('user', n),
    (ARRAY['strength', 'running', 'nutrition', 'mobility', 'sleep'])[1 + n % 5],
    pg_temp.anchor() - interval '13 months' - n % 300 * interval '1 day'
FROM generate_series(1, pg_temp.size_of('coaches', 200)) AS n;

-- None to five a coach: a coach without packages belongs in the statistics too.
INSERT INTO public.professional_packages (id, coach_id, name, price, likes_count, created_at, deleted_at)
SELECT
    pg_temp.key_of('package', c.n * 100 + p.n),
    pg_temp.key_of('coach', c.n),
    format(
        '%s %s',
        (ARRAY['Starter', 'Strong', 'Balanced', 'Intensive', 'Autumn'])[p.n],
        (ARRAY['block', 'weeks', 'plan', 'course'])[1 + c.n % 4]
    ),
    20 + 10 * p.n + c.n % 7,
    floor(400 * pg_temp.chance(format('likes %s %s', c.n, p.n)) ^ 2)::integer,
    pg_temp.anchor() - interval '12 months',
    CASE
        WHEN pg_temp.chance(format('package gone %s %s', c.n, p.n)) < 0.08
            THEN pg_temp.anchor() - (1 + c.n % 60) * interval '1 day'
    END
FROM generate_series(1, pg_temp.size_of('coaches', 200)) AS c (n)
CROSS JOIN LATERAL generate_series(1, floor(6 * pg_temp.chance('packages ' || c.n))::bigint) AS p (n);

-- None to fifteen a coach, drawn from those who are no coaches; a pair drawn twice counts once.
INSERT INTO public.coach_clients (id, coach_id, client_id, status, created_at, deleted_at)
SELECT DISTINCT ON (c.n, u.n)
    pg_temp.key_of('coach client', c.n * 100 + k.n),
    pg_temp.key_of('coach', c.n),
    pg_temp.key_of('user', u.n),
    CASE WHEN s.chance < 0.75 THEN 'active' WHEN s.chance < 0.85 THEN 'paused' ELSE 'ended' END,
    pg_temp.anchor() - interval '11 months',
    CASE WHEN s.chance >= 0.95 THEN pg_temp.anchor() - (1 + k.n) * interval '1 day' END
FROM generate_series(1, pg_temp.size_of('coaches', 200)) AS c (n)
CROSS JOIN LATERAL generate_series(1, floor(16 * pg_temp.chance('clients ' || c.n))::bigint) AS k (n)
CROSS JOIN LATERAL (SELECT pg_temp.chance(format('client state %s %s', c.n, k.n)) AS chance) AS s
CROSS JOIN LATERAL (
    SELECT
        pg_temp.size_of('coaches', 200) + 1 + floor(
            (pg_temp.size_of('users', 2000) - pg_temp.size_of('coaches', 200))
            * pg_temp.chance(format('client %s %s', c.n, k.n))
        )::bigint AS n
) AS u
ORDER BY c.n, u.n, k.n;

-- A few packages sell well, some not at all.
INSERT INTO public.professional_package_subscriptions (id, package_id, user_id, status, started_on)
SELECT
    md5(format('coaching subscription %s %s', p.id, k.n))::uuid,
    p.id,
    pg_temp.key_of('user', 1 + floor(
        pg_temp.size_of('users', 2000) * pg_temp.chance(format('subscriber %s %s', p.id, k.n))
    )::bigint),
    CASE
        WHEN s.chance < 0.55 THEN 'active' WHEN s.chance < 0.75 THEN 'cancelled'
        WHEN s.chance < 0.95 THEN 'completed' ELSE 'pending'
    END,
    pg_temp.anchor() - 1 - floor(330 * pg_temp.chance(format('started %s %s', p.id, k.n)))::integer
FROM public.professional_packages AS p
CROSS JOIN LATERAL generate_series(1, floor(40 * pg_temp.chance('sales ' || p.id) ^ 2)::bigint) AS k (n)
CROSS JOIN LATERAL (SELECT pg_temp.chance(format('subscription %s %s', p.id, k.n)) AS chance) AS s;

-- A payment a month since the start, up to six; nobody has paid for what is still pending.
INSERT INTO public.payments (id, subscription_id, amount, status, paid_at)
SELECT
    md5(format('coaching payment %s %s', s.id, k.n))::uuid,
    s.id,
    p.price,
    CASE WHEN c.chance < 0.88 THEN 'completed' WHEN c.chance < 0.95 THEN 'failed' ELSE 'refunded' END,
    s.started_on + (k.n - 1) * interval '1 month'
FROM public.professional_package_subscriptions AS s
INNER JOIN public.professional_packages AS p ON p.id = s.package_id
CROSS JOIN LATERAL generate_series(1, 6) AS k (n)
CROSS JOIN LATERAL (SELECT pg_temp.chance(format('payment %s %s', s.id, k.n)) AS chance) AS c
WHERE s.status <> 'pending' AND s.started_on + (k.n - 1) * interval '1 month' < pg_temp.anchor();

INSERT INTO public.user_targets (id, user_id, metric_type, target_value, start_date, end_date)
SELECT
    md5(format('coaching target %s %s', u.n, m.metric_type))::uuid,
    pg_temp.key_of('user', u.n),
    m.metric_type,
    m.target_value,
    pg_temp.anchor() - 30 - floor(300 * pg_temp.chance(format('target start %s %s', u.n, m.metric_type)))::integer,
    CASE WHEN u.n % 3 = 0 THEN pg_temp.anchor() + 30 END
FROM generate_series(1, pg_temp.size_of('users', 2000)) AS u (n)
CROSS JOIN (
    VALUES ('calories_burned', 500), ('workout_minutes', 45), ('sleep_hours', 8), ('steps', 9000)
) AS m (metric_type, target_value)
WHERE pg_temp.chance(format('target %s %s', u.n, m.metric_type)) < 0.4;

-- A plan for half of the clients, and one template a coach.
INSERT INTO public.coach_plans (id, coach_id, client_id, title, created_at)
SELECT
    md5('coaching plan ' || cc.id)::uuid, cc.coach_id, cc.client_id, 'Eight weeks', cc.created_at
FROM public.coach_clients AS cc
WHERE pg_temp.chance('plan ' || cc.id) < 0.5
UNION ALL
SELECT md5('coaching template ' || c.id)::uuid, c.id, NULL, 'Template', c.created_at
FROM public.coaches AS c;

INSERT INTO public.user_workouts (id, user_id, plan_id, performed_on, duration_minutes, calories_burned)
SELECT
    pg_temp.key_of('workout', u.n * 100 + k.n),
    pg_temp.key_of('user', u.n),
    p.id,
    pg_temp.anchor() - 1 - floor(360 * pg_temp.chance(format('workout day %s %s', u.n, k.n)))::integer,
    20 + floor(70 * pg_temp.chance(format('workout time %s %s', u.n, k.n)))::integer,
    100 + floor(600 * pg_temp.chance(format('workout energy %s %s', u.n, k.n)))::integer
FROM generate_series(1, pg_temp.size_of('users', 2000)) AS u (n)
LEFT JOIN LATERAL (
    SELECT cp.id FROM public.coach_plans AS cp
    WHERE cp.client_id = pg_temp.key_of('user', u.n) ORDER BY cp.id LIMIT 1
) AS p ON true
CROSS JOIN LATERAL generate_series(1, floor(20 * pg_temp.chance('workouts ' || u.n))::bigint) AS k (n);

-- Exactly as many entries as asked for, at most one for a person and day. Dividing the hash by a weight of the
-- person makes some people write every day and others hardly ever.
CREATE TEMPORARY TABLE chosen_day AS
SELECT pg_temp.key_of('user', d.n) AS user_id, d.day
FROM (
    SELECT
        u.n,
        (pg_temp.anchor() - interval '12 months')::date + k.n AS day,
        pg_temp.chance(format('day %s %s', u.n, k.n)) / u.weight AS lot
    FROM (
        SELECT n, 0.1 + 2 * pg_temp.chance('diligence ' || n) ^ 3 AS weight
        FROM generate_series(1, pg_temp.size_of('users', 2000)) AS n
    ) AS u
    CROSS JOIN generate_series(0, pg_temp.anchor() - (pg_temp.anchor() - interval '12 months')::date - 1) AS k (n)
) AS d
ORDER BY d.lot, d.n, d.day
LIMIT pg_temp.size_of('daily_metrics', 200000);

-- A month at a time, so that a large run shows how far it is.
DO $do$
DECLARE
    v_month date;
    v_rows bigint;
    v_total bigint := 0;
BEGIN
    FOR k IN 1..12 LOOP
        v_month := pg_temp.anchor() - (13 - k) * interval '1 month';
        INSERT INTO public.daily_metrics (
            id, user_id, recorded_date, calories_burned, workout_minutes, sleep_hours, steps
        )
        SELECT
            h.hash::uuid,
            c.user_id,
            c.day,
            100 + ('x' || substr(h.hash, 1, 4))::bit(16)::integer % 800,
            -- two days out of five are days of rest
            CASE WHEN ('x' || substr(h.hash, 5, 4))::bit(16)::integer % 5 < 2 THEN 0
                ELSE 10 + ('x' || substr(h.hash, 9, 4))::bit(16)::integer % 80 END,
            -- not everybody wears the watch at night
            CASE WHEN ('x' || substr(h.hash, 13, 4))::bit(16)::integer % 10 > 0
                THEN 4 + ('x' || substr(h.hash, 17, 4))::bit(16)::integer % 60 / 10.0 END,
            500 + ('x' || substr(h.hash, 21, 4))::bit(16)::integer % 16000
        FROM chosen_day AS c
        CROSS JOIN LATERAL (SELECT md5(format('coaching metric %s %s', c.user_id, c.day)) AS hash) AS h
        WHERE c.day >= v_month AND c.day < v_month + interval '1 month';
        GET DIAGNOSTICS v_rows = ROW_COUNT;
        v_total := v_total + v_rows;
        RAISE NOTICE 'daily_metrics %: % rows, % in all', to_char(v_month, 'YYYY-MM'), v_rows, v_total;
    END LOOP;
END
$do$;

DROP TABLE chosen_day;
ANALYZE public.users, public.coaches, public.professional_packages, public.coach_clients,
public.professional_package_subscriptions, public.payments, public.user_targets, public.coach_plans,
public.user_workouts, public.daily_metrics;
