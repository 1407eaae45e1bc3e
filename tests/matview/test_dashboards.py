"""Dashboards of the described systems as incremental views where they can be, and a leaderboard under a write load."""

from __future__ import annotations

import threading

import pytest

from harness.calls import call, refused, rows


def create(database, name, query, key, **more):
    """An incremental view, filled."""
    call(database, "create_incremental_view", view_name=name, query=query, key_columns=key, at_once=True, **more)


def refresh(database, name):
    ((mode, status, note),) = rows(
        database, "SELECT mode, status, note FROM lifecycle.refresh_incremental_view(%s)", [name]
    )
    return mode, status, note


def difference(database, name, query):
    """How many rows of a view are not those of its query."""
    texts = "SELECT x::text FROM ({}) AS x"
    mine, theirs = texts.format(f"TABLE {name}"), texts.format(query)
    return database.value(
        f"SELECT count(*) FROM (({mine} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {mine})) AS d"
    )


def keep_up(database, name, query, writes):
    """After each write the refresh is incremental, and the view is what its query returns."""
    for write in writes:
        database.execute(write)
        mode, _, note = refresh(database, name)
        assert (mode, difference(database, name, query)) == ("incremental", 0), f"{write}: {note}"


# musclemap: mv_xp_rankings, "< 30 s stale"

MUSCLEMAP = """
CREATE TABLE public.users (id int PRIMARY KEY, username text NOT NULL, country varchar(2),
    ghost_mode boolean DEFAULT false, leaderboard_opt_in boolean DEFAULT true);
CREATE TABLE public.xp_event (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, user_id int NOT NULL, xp int NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now());
CREATE INDEX ON public.xp_event (user_id);
INSERT INTO public.users SELECT g, 'user' || g, (ARRAY['DE', 'US', NULL])[1 + g % 3], g % 20 = 0, g % 7 <> 0
FROM generate_series(1, 2000) AS g;
INSERT INTO public.xp_event (user_id, xp) SELECT 1 + g % 2000, g % 50 FROM generate_series(1, 20000) AS g;
"""
TOTALS = (
    "SELECT u.id AS user_id, u.username, u.country, u.ghost_mode, u.leaderboard_opt_in, coalesce(e.xp, 0) AS xp FROM "
    "public.users AS u LEFT JOIN (SELECT user_id, sum(xp) AS xp FROM public.xp_event GROUP BY user_id) AS e ON "
    "e.user_id = u.id"
)
RANKED = (
    "SELECT user_id, username, country, xp, rank() OVER (ORDER BY xp DESC) AS place, rank() OVER (PARTITION BY country "
    "ORDER BY xp DESC) AS place_in_country FROM public.user_xp WHERE leaderboard_opt_in AND NOT ghost_mode"
)


def test_leaderboard_under_a_write_load(database):
    """Writers go on, a loop refreshes what is due; when they have gone the ranking is that of the events."""
    database.execute(MUSCLEMAP)
    database.execute("SET lifecycle.incremental_share = '100'")
    database.execute("INSERT INTO public.users VALUES (3001, 'shown', 'DE')")
    with refused("0A000", "rows of one key depend on rows of other keys"):
        create(database, "public.v", RANKED.replace("public.user_xp", f"({TOTALS}) AS t"), ["user_id"])
    create(database, "public.user_xp", TOTALS, ["user_id"])
    database.execute(
        f"CREATE MATERIALIZED VIEW public.mv_xp_rankings AS {RANKED}; CREATE UNIQUE INDEX ON public.mv_xp_rankings"
        " (user_id); ANALYZE public.user_xp"
    )
    database.execute("CREATE VIEW public.xp_rankings AS " + RANKED)
    stop, failures = threading.Event(), []

    def write(number):
        with database.connect() as connection:
            turn = 0
            while not stop.is_set():
                turn += 1
                user = 1 + (turn * 37 + number * 500) % 2000
                try:
                    connection.execute("INSERT INTO public.xp_event (user_id, xp) VALUES (%s, 7)", [user])
                    connection.execute(
                        "UPDATE public.users SET ghost_mode = NOT ghost_mode WHERE id = %s", [1 + turn % 2000]
                    )
                except Exception as problem:
                    failures.append(problem)
                    return

    writers = [threading.Thread(target=write, args=[number]) for number in range(3)]
    for writer in writers:
        writer.start()
    modes = set()
    try:
        for turn in range(8):
            # What is committed before a refresh is in the ranking behind it: as fresh as the loop is quick.
            database.execute("INSERT INTO public.xp_event (user_id, xp) VALUES (3001, %s)", [10000 * (turn + 1)])
            truth = database.value("SELECT sum(xp) FROM public.xp_event WHERE user_id = 3001")
            begin = database.value("SELECT clock_timestamp()")
            up = "SELECT view_name, mode, status FROM lifecycle.refresh_materialized_view(%s, cascade => 'up')"
            found = {name: (mode, status) for name, mode, status in rows(database, up, ["public.mv_xp_rankings"])}
            modes.add(found["user_xp"])
            assert found["mv_xp_rankings"] == ("concurrent", "refreshed")
            ((xp, place),) = rows(database, "SELECT xp, place FROM public.mv_xp_rankings WHERE user_id = 3001")
            assert (xp >= truth, place) == (True, 1)
            clocks = "SELECT view_name FROM lifecycle.mv_refresh_status WHERE data_as_of >= %s AND checked_at >= %s"
            assert {name for (name,) in rows(database, clocks, [begin, begin])} == {"user_xp", "mv_xp_rankings"}
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not failures
    assert modes == {("incremental", "refreshed")}
    rows(database, "SELECT lifecycle.refresh_materialized_view('public.mv_xp_rankings', cascade => 'up')")
    truth = RANKED.replace("public.user_xp", f"({TOTALS}) AS t")
    assert difference(database, "public.user_xp", TOTALS) == 0
    assert difference(database, "public.mv_xp_rankings", truth) == 0
    assert difference(database, "public.xp_rankings", truth) == 0, "a plain view ranks when it is read"


# client_health: LATERAL and five CTEs with JSON aggregation, every five minutes

CLIENTS = """
CREATE TABLE public.nps_clients (id int PRIMARY KEY, client_name text NOT NULL UNIQUE, segment text, cse text);
CREATE TABLE public.nps_responses (id int PRIMARY KEY, client_name text, score int, response_date date);
CREATE TABLE public.unified_meetings (id int PRIMARY KEY, client_name text, meeting_date date);
CREATE TABLE public.actions (id int PRIMARY KEY, "Client" text, "Status" text);
CREATE TABLE public.segmentation_event_compliance (id int PRIMARY KEY, client_name text, year int,
    compliance_percentage numeric);
CREATE TABLE public.segmentation_tiers (id int PRIMARY KEY, tier_name text UNIQUE);
CREATE TABLE public.tier_event_requirements (tier_id int, event_type_id int, required int,
    PRIMARY KEY (tier_id, event_type_id));
CREATE TABLE public.segmentation_events (id int PRIMARY KEY, client_name text, event_type_id int, event_year int,
    completed boolean);
CREATE INDEX ON public.nps_responses (client_name); CREATE INDEX ON public.unified_meetings (client_name);
CREATE INDEX ON public.actions ("Client"); CREATE INDEX ON public.segmentation_event_compliance (client_name);
CREATE INDEX ON public.segmentation_events (client_name, event_year);
CREATE INDEX ON public.nps_clients (segment);
INSERT INTO public.segmentation_tiers SELECT g, 'tier' || g FROM generate_series(1, 4) AS g;
INSERT INTO public.tier_event_requirements SELECT t, e, t + e % 3 FROM generate_series(1, 4) AS t, generate_series(1, 6)
    AS e;
INSERT INTO public.nps_clients SELECT g, 'client ' || g, 'tier' || 1 + g % 4, 'cse' || g % 9
FROM generate_series(1, 200) AS g;
INSERT INTO public.nps_responses SELECT g, 'client ' || 1 + g % 200, g % 11, date '2025-01-01' + g % 300
FROM generate_series(1, 2000) AS g;
INSERT INTO public.unified_meetings SELECT g, 'client ' || 1 + g % 200, date '2025-01-01' + g % 300
FROM generate_series(1, 2000) AS g;
INSERT INTO public.actions SELECT g, 'client ' || 1 + g % 200, (ARRAY['Open', 'Completed', 'Cancelled'])[1 + g % 3]
FROM generate_series(1, 2000) AS g;
INSERT INTO public.segmentation_event_compliance SELECT g, 'client ' || 1 + g % 200, 2025, g % 130
FROM generate_series(1, 400) AS g;
INSERT INTO public.segmentation_events SELECT g, 'client ' || 1 + g % 200, 1 + g % 6, 2024 + g % 2, g % 5 > 0
FROM generate_series(1, 4000) AS g;
ANALYZE;
"""
HEALTH = """
SELECT c.client_name, c.segment, c.cse, n.nps_score, n.responses, m.last_meeting, m.meetings, a.open_actions,
    a.completed_actions, s.compliance_percentage, least(100, greatest(0, round(
        0.25 * (coalesce(n.nps_score, 0) + 100) / 2 + 0.25 * least(m.meetings * 10, 100)
        + 0.30 * least(coalesce(s.compliance_percentage, 50), 100)
        + 0.20 * CASE WHEN a.total > 0 THEN 100.0 * a.completed_actions / a.total ELSE 100 END))) AS health_score
FROM public.nps_clients AS c
LEFT JOIN LATERAL (SELECT count(*) AS responses, round(100.0 * (count(*) FILTER (WHERE r.score >= 9) - count(*)
    FILTER (WHERE r.score <= 6)) / nullif(count(*), 0)) AS nps_score FROM public.nps_responses AS r
    WHERE r.client_name = c.client_name) AS n ON true
LEFT JOIN LATERAL (SELECT count(*) AS meetings, max(u.meeting_date) AS last_meeting FROM public.unified_meetings AS u
    WHERE u.client_name = c.client_name) AS m ON true
LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE x."Status" = 'Open') AS open_actions, count(*) FILTER (
    WHERE x."Status" = 'Completed') AS completed_actions, count(*) AS total FROM public.actions AS x
    WHERE x."Client" = c.client_name) AS a ON true
LEFT JOIN LATERAL (SELECT round(avg(e.compliance_percentage), 2) AS compliance_percentage
    FROM public.segmentation_event_compliance AS e WHERE e.client_name = c.client_name) AS s ON true
"""
COMPLIANCE = """
WITH client_tiers AS NOT MATERIALIZED (
    SELECT c.client_name, c.segment, c.cse, t.id AS tier_id
    FROM public.nps_clients AS c JOIN public.segmentation_tiers AS t ON t.tier_name = c.segment
), tier_requirements AS NOT MATERIALIZED (
    SELECT r.tier_id, r.event_type_id, r.required FROM public.tier_event_requirements AS r WHERE r.required > 0
), event_counts AS NOT MATERIALIZED (
    SELECT e.client_name, e.event_year AS year, e.event_type_id, count(*) FILTER (WHERE e.completed) AS actual
    FROM public.segmentation_events AS e GROUP BY e.client_name, e.event_year, e.event_type_id
), event_type_compliance AS NOT MATERIALIZED (
    SELECT n.client_name, n.year, t.segment, t.cse, n.event_type_id, r.required, n.actual,
        round(100.0 * n.actual / r.required, 2) AS percentage
    FROM event_counts AS n
    JOIN client_tiers AS t ON t.client_name = n.client_name
    JOIN tier_requirements AS r ON r.tier_id = t.tier_id AND r.event_type_id = n.event_type_id
), client_year_summary AS NOT MATERIALIZED (
    SELECT y.client_name, y.year, min(y.segment) AS segment, min(y.cse) AS cse,
        jsonb_agg(jsonb_build_object('event_type_id', y.event_type_id, 'required', y.required, 'actual', y.actual,
            'status', CASE WHEN y.percentage < 50 THEN 'critical' WHEN y.percentage < 100 THEN 'at-risk'
                WHEN y.percentage = 100 THEN 'compliant' ELSE 'exceeded' END) ORDER BY y.event_type_id)
            AS event_compliance,
        round(count(*) FILTER (WHERE y.percentage >= 100)::numeric / nullif(count(*), 0) * 100, 2)
            AS overall_compliance_score
    FROM event_type_compliance AS y GROUP BY y.client_name, y.year
)
SELECT client_name, year, segment, cse, event_compliance, overall_compliance_score FROM client_year_summary
"""


def test_client_health_summary(database):
    """Four LATERAL joins: the key is found in all five tables without a word."""
    database.execute(CLIENTS)
    create(database, "public.client_health_summary", HEALTH, ["client_name"])
    keep_up(
        database,
        "public.client_health_summary",
        HEALTH,
        [
            "INSERT INTO public.nps_responses VALUES (5000, 'client 7', 10, '2025-12-01')",
            "UPDATE public.actions SET \"Status\" = 'Completed' WHERE \"Client\" = 'client 9'",
            "UPDATE public.unified_meetings SET client_name = 'client 3' WHERE id < 4",
            "DELETE FROM public.segmentation_event_compliance WHERE id < 5",
            "INSERT INTO public.nps_clients VALUES (900, 'client 900', 'tier1', 'cse1');"
            "UPDATE public.nps_clients SET client_name = 'renamed' WHERE id = 5;"
            "DELETE FROM public.nps_clients WHERE id = 6",
        ],
    )


def test_event_compliance_summary(database):
    """Five CTEs and JSON: the way from a client to its years is found, the small tables of rules mean a rebuild."""
    database.execute(CLIENTS)
    create(
        database,
        "public.event_compliance_summary",
        COMPLIANCE,
        ["client_name", "year"],
        sources='{"public.segmentation_tiers": "rebuild", "public.tier_event_requirements": "rebuild"}',
    )
    keep_up(
        database,
        "public.event_compliance_summary",
        COMPLIANCE,
        [
            "INSERT INTO public.segmentation_events VALUES (9000, 'client 7', 2, 2026, true)",
            "UPDATE public.segmentation_events SET event_year = 2025 WHERE id < 10",
            "UPDATE public.nps_clients SET segment = 'tier4' WHERE id = 7",
            "DELETE FROM public.segmentation_events WHERE client_name = 'client 8'",
        ],
    )
    database.execute("UPDATE public.tier_event_requirements SET required = 9 WHERE tier_id = 4 AND event_type_id = 2")
    assert refresh(database, "public.event_compliance_summary")[0] == "rebuild"
    assert difference(database, "public.event_compliance_summary", COMPLIANCE) == 0


# coaching: four materialized views, one of them over partitions

COACHING = """
CREATE TABLE public.coach (id int PRIMARY KEY, name text);
CREATE TABLE public.coach_client (id int PRIMARY KEY, coach_id int, deleted_at timestamptz);
CREATE TABLE public.package (id int PRIMARY KEY, coach_id int, name text, likes_count int, deleted_at timestamptz);
CREATE TABLE public.subscription (id int PRIMARY KEY, package_id int, user_id int, status text, paid numeric);
CREATE TABLE public.user_target (id int PRIMARY KEY, user_id int, metric_type text, target_value numeric);
CREATE TABLE public.daily_metrics (user_id int, recorded_date date, calories int, workout_minutes int,
    PRIMARY KEY (user_id, recorded_date)) PARTITION BY RANGE (recorded_date);
CREATE TABLE public.daily_metrics_01 PARTITION OF public.daily_metrics FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE public.daily_metrics_02 PARTITION OF public.daily_metrics FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE INDEX ON public.coach_client (coach_id); CREATE INDEX ON public.package (coach_id);
CREATE INDEX ON public.subscription (package_id); CREATE INDEX ON public.user_target (user_id);
INSERT INTO public.coach SELECT g, 'coach ' || g FROM generate_series(1, 50) AS g;
INSERT INTO public.coach_client SELECT g, 1 + g % 50, CASE WHEN g % 9 = 0 THEN now() END
FROM generate_series(1, 500) AS g;
INSERT INTO public.package SELECT g, 1 + g % 50, 'package ' || g, g % 30, NULL FROM generate_series(1, 300) AS g;
INSERT INTO public.subscription SELECT g, 1 + g % 300, g % 100, (ARRAY['active', 'cancelled', 'done'])[1 + g % 3], g
FROM generate_series(1, 2000) AS g;
INSERT INTO public.daily_metrics SELECT u, date '2026-01-01' + d, u + d, d FROM generate_series(1, 100) AS u,
    generate_series(0, 50) AS d;
INSERT INTO public.user_target SELECT g, 1 + g % 100, 'calories', 50 + g FROM generate_series(1, 150) AS g;
ANALYZE;
"""
COACH_STATS = """
SELECT c.id AS coach_id, k.total_clients, p.total_packages, p.total_likes, p.avg_likes_per_package,
    s.active_subscriptions, s.total_earnings
FROM public.coach AS c
LEFT JOIN LATERAL (SELECT count(*) AS total_clients FROM public.coach_client AS x
    WHERE x.coach_id = c.id AND x.deleted_at IS NULL) AS k ON true
LEFT JOIN LATERAL (SELECT count(*) AS total_packages, sum(x.likes_count) AS total_likes, avg(x.likes_count)
    AS avg_likes_per_package FROM public.package AS x WHERE x.coach_id = c.id AND x.deleted_at IS NULL) AS p ON true
LEFT JOIN LATERAL (SELECT count(*) FILTER (WHERE y.status = 'active') AS active_subscriptions, sum(y.paid)
    AS total_earnings FROM public.package AS x JOIN public.subscription AS y ON y.package_id = x.id
    WHERE x.coach_id = c.id) AS s ON true
"""
HEALTH_METRICS = (
    "SELECT user_id, count(*) AS total_metrics_recorded, max(recorded_date) AS last_metric_date, avg(calories) AS "
    "avg_calories_burned, avg(workout_minutes) AS avg_workout_minutes FROM public.daily_metrics GROUP BY user_id"
)
ACHIEVEMENT = """
SELECT t.id AS target_id, t.user_id, t.target_value, m.actual_avg, m.days_tracked,
    round(100 * m.actual_avg / nullif(t.target_value, 0), 2) AS achievement_percentage
FROM public.user_target AS t
LEFT JOIN LATERAL (SELECT avg(d.calories) AS actual_avg, count(*) AS days_tracked FROM public.daily_metrics AS d
    WHERE d.user_id = t.user_id) AS m ON true
"""
PACKAGES = """
SELECT p.id AS package_id, p.coach_id, p.name, p.likes_count, count(s.id) AS subscription_count,
    count(s.id) FILTER (WHERE s.status = 'active') AS active_subscriptions,
    count(s.id) FILTER (WHERE s.status = 'cancelled') AS cancelled_subscriptions,
    round(100.0 * count(s.id) FILTER (WHERE s.status = 'done') / nullif(count(s.id), 0), 2) AS completion_rate
FROM public.package AS p
LEFT JOIN public.subscription AS s ON s.package_id = p.id
WHERE p.deleted_at IS NULL
GROUP BY p.id
"""


def test_coaching(database):
    database.execute(COACHING)
    create(database, "public.package_stats", PACKAGES, ["package_id"])
    keep_up(
        database,
        "public.package_stats",
        PACKAGES,
        [
            "UPDATE public.subscription SET status = 'done', package_id = 7 WHERE id < 7",
            "UPDATE public.package SET deleted_at = now() WHERE id = 5;"
            "UPDATE public.package SET name = 'n' WHERE id = 6",
            "DELETE FROM public.subscription WHERE package_id = 4; INSERT INTO public.package VALUES (999, 1, 'new')",
        ],
    )
    create(database, "public.coach_stats", COACH_STATS, ["coach_id"])
    create(database, "public.health_metrics", HEALTH_METRICS, ["user_id"])
    create(database, "public.achievement", ACHIEVEMENT, ["target_id"])
    keep_up(
        database,
        "public.coach_stats",
        COACH_STATS,
        [
            "UPDATE public.subscription SET status = 'active', package_id = 9 WHERE id < 9",
            "UPDATE public.package SET deleted_at = now() WHERE id = 9;"
            "UPDATE public.package SET coach_id = 2 WHERE id = 8",
            "DELETE FROM public.coach_client WHERE coach_id = 3; INSERT INTO public.coach VALUES (99, 'new')",
        ],
    )
    metrics = [
        "INSERT INTO public.daily_metrics VALUES (7, '2026-02-27', 900, 30)",
        "UPDATE public.daily_metrics SET recorded_date = recorded_date + 20 WHERE user_id = 5 AND recorded_date = "
        "'2026-02-05'; UPDATE public.daily_metrics_01 SET calories = 0 WHERE user_id = 6",
        "UPDATE public.user_target SET user_id = 1 WHERE id = 9; DELETE FROM public.daily_metrics WHERE user_id = 4",
    ]
    for name, query in (("public.health_metrics", HEALTH_METRICS), ("public.achievement", ACHIEVEMENT)):
        keep_up(database, name, query, metrics[:1] if "health" in name else metrics[1:])
    refresh(database, "public.health_metrics")
    assert difference(database, "public.health_metrics", HEALTH_METRICS) == 0


@pytest.mark.parametrize("made_by", ["hand", "pg_lifecycle"])
def test_a_new_month(database, made_by):
    """What pg_lifecycle makes is captured from its first row; what others make is found, mended, read once more."""
    database.execute(COACHING)
    create(database, "public.health_metrics", HEALTH_METRICS, ["user_id"])
    if made_by == "hand":
        database.execute(
            "CREATE TABLE public.daily_metrics_03 PARTITION OF public.daily_metrics FOR VALUES FROM ('2026-03-01') TO"
            " ('2026-04-01')"
        )
    else:
        call(database, "create_monthly_partition", parent="public.daily_metrics", year=2026, month=3)
    expected = ["rebuild", "rebuild", "incremental"] if made_by == "hand" else ["incremental"] * 3
    partition = database.value("SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = "
                               "'public.daily_metrics'::regclass")  # fmt: skip
    for day, mode in enumerate(expected, 1):
        database.execute(f"INSERT INTO {partition} VALUES (7, '2026-03-0{day}', 900, 30)")
        assert refresh(database, "public.health_metrics")[0] == mode
        assert difference(database, "public.health_metrics", HEALTH_METRICS) == 0
