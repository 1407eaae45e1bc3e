"""One partition: bounds from the catalog, names in the style of the set, nothing made twice."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, statuses

DAILY = (
    "CREATE TABLE public.metric (id int NOT NULL, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"
)
MOMENTS = "CREATE TABLE public.event (at timestamptz) PARTITION BY RANGE (at)"


def bounds(database, parent="public.metric"):
    """Name and bounds of each partition, as PostgreSQL prints them in UTC."""
    database.execute("SET timezone = 'UTC'")
    return database.execute(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS i JOIN pg_class AS c"
        " ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY c.relname",
        [parent],
    )


def month(database, year=2026, month=1, parent="public.metric", **more):
    return call(
        database,
        "create_monthly_partition",
        parent=parent,
        year=year,
        month=month,
        **more,
    )


def test_a_month(database):
    database.execute(DAILY)
    made = month(database)
    assert [(s.action, s.object, s.status) for s in made] == [
        ("create partition", "table public.metric_2026_01", "done"),
        ("attach partition", "table public.metric_2026_01", "done"),
    ]
    assert bounds(database) == [("metric_2026_01", "FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')")]
    assert database.execute("SELECT severity FROM lifecycle.verify_migrations()") == [("ok",)]


def test_any_day_names_its_month(database):
    database.execute(DAILY)
    call(
        database,
        "create_monthly_partition",
        parent="public.metric",
        month_start="2024-02-29",
    )
    call(
        database,
        "create_monthly_partition",
        parent="public.metric",
        month_start="9999-12-31",
    )
    assert bounds(database) == [
        ("metric_2024_02", "FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')"),
        ("metric_9999_12", "FOR VALUES FROM ('9999-12-01') TO ('10000-01-01')"),
    ]


def test_positional_and_in_any_datestyle(database):
    database.execute(DAILY + "; SET datestyle = 'SQL, DMY'")
    database.execute("SELECT lifecycle.create_monthly_partition('public.metric', '03/02/2026')")
    database.execute("SELECT lifecycle.create_monthly_partition('public.metric', 2026, 3)")
    database.execute("SELECT lifecycle.create_partition('public.metric', '2026-04-01', '2026-04-15')")
    assert [name for name, _ in bounds(database)] == [
        "metric_2026_02",
        "metric_2026_03",
        "metric_2026_04_01",
    ]


def test_dry_run_is_the_plan_that_runs(database):
    database.execute(DAILY)
    before = database.dump()
    shown = month(database, dry_run=True)
    assert statuses(shown) == ["planned", "planned"]
    assert database.dump() == before
    done = month(database, expected_plan=shown[0].plan_hash)
    assert [s.statement for s in done] == [s.statement for s in shown]
    with refused("55000", "not the one that was reviewed"):
        month(database, 2026, 2, expected_plan=shown[0].plan_hash)


def test_twice_is_once(database):
    database.execute(DAILY)
    month(database)
    before = database.dump()
    again = month(database)
    assert statuses(again) == ["skipped"]
    assert again[0].object == "table public.metric_2026_01"
    assert database.dump() == before


def test_bounds_decide_and_not_the_name(database):
    database.execute(
        DAILY + ";CREATE TABLE public.metric_2026_02 PARTITION OF public.metric"
        " FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
    )
    assert statuses(month(database)) == ["skipped"]
    month(database, 2026, 2)
    assert len(bounds(database)) == 2


@pytest.mark.parametrize(
    "pieces",
    [
        [("2025-01-01", "2027-01-01")],
        [("MINVALUE", "2026-01-10"), ("2026-01-10", "MAXVALUE")],
        [
            ("2026-01-01", "2026-01-11"),
            ("2026-01-11", "2026-01-21"),
            ("2026-01-21", "2026-02-01"),
        ],
    ],
)
def test_a_month_that_is_covered_is_skipped(database, pieces):
    database.execute(DAILY)
    for lower, upper in pieces:
        call(
            database,
            "create_partition",
            parent="public.metric",
            lower_bound=lower,
            upper_bound=upper,
        )
    assert statuses(month(database)) == ["skipped"]


def test_overlap_names_the_partition_in_the_way(database):
    database.execute(DAILY)
    call(
        database,
        "create_partition",
        parent="public.metric",
        lower_bound="2026-01-15",
        upper_bound="2026-02-15",
    )
    with refused("42P17", r"overlaps partition public.metric_2026_01_15"):
        month(database)
    with refused("42P17", "overlaps"):
        call(
            database,
            "create_partition",
            parent="public.metric",
            lower_bound="MINVALUE",
            upper_bound="2026-01-16",
        )


def test_a_gap_shorter_than_a_month_is_refused(database):
    database.execute(DAILY)
    call(
        database,
        "create_partition",
        parent="public.metric",
        lower_bound="2026-01-01",
        upper_bound="2026-01-30",
    )
    with refused(
        "42P17",
        "would leave a gap between itself and partition public.metric_2026_01_01",
    ):
        month(database, 2026, 2)
    call(
        database,
        "create_partition",
        parent="public.metric",
        lower_bound="2026-01-30",
        upper_bound="2026-02-01",
    )
    assert statuses(month(database, 2026, 2)) == ["done", "done"]
    assert statuses(month(database, 2026, 5)) == [
        "done",
        "done",
    ]  # whole months may be missing


def test_what_it_refuses(database):
    database.execute(
        DAILY
        + "; CREATE TABLE public.plain (d date); CREATE TABLE public.l (d date) PARTITION BY LIST (d)"
        + "; CREATE TABLE public.n (i int) PARTITION BY RANGE (i)"
        + "; CREATE TABLE public.two (d date, e date) PARTITION BY RANGE (d, e)"
        + "; CREATE TABLE public.x (d date) PARTITION BY RANGE ((d + 1))"
        + "; CREATE TABLE public.sub (d date, k int) PARTITION BY RANGE (d)"
        + "; CREATE TABLE public.sub_1 PARTITION OF public.sub FOR VALUES FROM ('2025-01-01') TO ('2025-02-01')"
        + " PARTITION BY LIST (k)"
    )
    with refused("42809", "public.plain is a table"):
        month(database, parent="public.plain")
    for parent in ("public.l", "public.n", "public.two", "public.x"):
        with refused("0A000", f"the partitions of {parent} are not ranges of time"):
            month(database, parent=parent)
    with refused("0A000", "the partitions of public.sub are partitioned themselves"):
        month(database, parent="public.sub")
    for lower, upper, code in [
        (None, "2026-01-01", "22004"),
        ("2026-02-01", "2026-02-01", "42P17"),
        ("2026-03-01", "2026-02-01", "42P17"),
        ("soon", "2026-02-01", "22007"),
        ("2026-02-30", "2026-03-01", "22008"),
    ]:
        with refused(code):
            call(
                database,
                "create_partition",
                parent="public.metric",
                lower_bound=lower,
                upper_bound=upper,
            )
    with refused("22023", "month must be between 1 and 12"):
        month(database, 2026, 13)
    with refused("22023", "Mars"):
        month(database, time_zone="Mars")
    with refused("22004"):
        month(database, time_zone=None)


@pytest.mark.parametrize(
    ("zone", "first", "second"),
    [
        ("Europe/Berlin", "2026-02-28 23:00:00+00", "2026-03-31 22:00:00+00"),
        ("America/New_York", "2026-03-01 05:00:00+00", "2026-04-01 04:00:00+00"),
        ("Asia/Kolkata", "2026-02-28 18:30:00+00", "2026-03-31 18:30:00+00"),
        ("Australia/Lord_Howe", "2026-02-28 13:00:00+00", "2026-03-31 13:00:00+00"),
    ],
)
def test_a_month_is_as_long_as_it_is_there(database, zone, first, second):
    database.execute(MOMENTS + "; SET timezone = 'Asia/Tokyo'")
    made = month(database, 2026, 3, "public.event", time_zone=zone)
    assert zone in made[0].note
    assert bounds(database, "public.event") == [("event_2026_03", f"FOR VALUES FROM ('{first}') TO ('{second}')")]
    assert database.value("SELECT parameters ->> 'time_zone' FROM lifecycle.migration") == zone
    database.execute("SET timezone = 'Asia/Tokyo'")
    assert statuses(month(database, 2026, 3, "public.event", time_zone=zone)) == ["skipped"]
    assert statuses(month(database, 2026, 4, "public.event", time_zone=zone)) == [
        "done",
        "done",
    ]
    database.execute("SET timezone = 'America/Lima'; SET datestyle = 'SQL, DMY'")
    assert database.execute("SELECT DISTINCT severity FROM lifecycle.verify_migrations()") == [("ok",)]


def test_another_zone_neither_overlaps_nor_leaves_hours_out(database):
    database.execute(MOMENTS)
    month(database, 2026, 3, "public.event", time_zone="Europe/Berlin")
    with refused("42P17", "overlaps partition public.event_2026_03"):
        month(database, 2026, 2, "public.event", time_zone="UTC")
    with refused("42P17", "would leave a gap"):
        month(database, 2026, 4, "public.event", time_zone="UTC")


def test_timestamps_without_zone(database):
    database.execute("CREATE TABLE public.t (at timestamp) PARTITION BY RANGE (at)")
    month(database, 2026, 3, "public.t", time_zone="Asia/Tokyo")
    call(
        database,
        "create_partition",
        parent="public.t",
        lower_bound="2026-04-01",
        upper_bound="2026-04-01 06:00",
    )
    call(
        database,
        "create_partition",
        parent="public.t",
        lower_bound="2026-04-01 06:00",
        upper_bound="infinity",
    )
    assert bounds(database, "public.t") == [
        (
            "t_2026_03",
            "FOR VALUES FROM ('2026-03-01 00:00:00') TO ('2026-04-01 00:00:00')",
        ),
        (
            "t_2026_04_01",
            "FOR VALUES FROM ('2026-04-01 00:00:00') TO ('2026-04-01 06:00:00')",
        ),
        (
            "t_2026_04_01_060000",
            "FOR VALUES FROM ('2026-04-01 06:00:00') TO ('infinity')",
        ),
    ]


def test_rows_in_the_default_partition_are_counted(database):
    database.execute(DAILY + "; CREATE TABLE public.rest PARTITION OF public.metric DEFAULT")
    database.execute("INSERT INTO public.metric VALUES (1, '2026-01-31'), (2, '2026-01-01'), (3, '2026-02-01')")
    for dry_run in (True, False):
        with refused("23514", "2 rows of the default partition public.rest"):
            month(database, dry_run=dry_run)
    made = month(database, 2026, 3)
    assert "ATTACH reads the whole default partition public.rest" in made[0].note
    assert statuses(made) == ["done", "done"]
    with refused("23514", "1 rows"):
        call(
            database,
            "create_partition",
            parent="public.metric",
            lower_bound="MINVALUE",
            upper_bound="2026-01-02",
        )


@pytest.mark.parametrize(
    ("january", "february", "expected"),
    [
        ("metric_y2026m01", "metric_y2026m02", "metric_y2026m03"),
        ("metric_p2026_01", "metric_p2026_02", "metric_p2026_03"),
        ("metric_p20260101", "metric_p20260201", "metric_p20260301"),
        ("old.202601", "old.202602", "old.202603"),
        ("M 2026-01", "M 2026-02", "M 2026-03"),
        ("january", "february", "metric_2026_03"),
        ("metric_2026_01", "other_2026_02", "metric_2026_03"),
    ],
)
def test_names_in_the_style_of_the_siblings(database, january, february, expected):
    database.execute(DAILY)
    for name, lower, upper in [
        (january, "2026-01-01", "2026-02-01"),
        (february, "2026-02-01", "2026-03-01"),
    ]:
        database.execute(
            f"CREATE TABLE \"{name}\" PARTITION OF public.metric FOR VALUES FROM ('{lower}') TO ('{upper}')"
        )
    month(database, 2026, 3)
    assert expected in {name for name, _ in bounds(database)}


def test_partitions_go_where_their_siblings_are(database):
    database.execute(DAILY + "; CREATE SCHEMA parts")
    database.execute(
        "CREATE TABLE parts.m_2026_01 PARTITION OF metric FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
    )
    assert month(database, 2026, 2)[0].object == "table parts.m_2026_02"


def test_a_name_that_is_taken(database):
    database.execute(DAILY + "; CREATE TABLE public.metric_2026_01 (); CREATE TYPE public.metric_2026_02 AS ENUM ()")
    for number in (1, 2):
        made = month(database, 2026, number)
        assert made[0].object.startswith(f"table public.metric_2026_0{number}_")
    with refused("42P07", "public.metric_2026_01 exists already"):
        call(
            database,
            "create_partition",
            parent="public.metric",
            lower_bound="2026-03-01",
            upper_bound="2026-04-01",
            partition_name="metric_2026_01",
        )
    call(
        database,
        "create_partition",
        parent="public.metric",
        lower_bound="2026-03-01",
        upper_bound="2026-04-01",
        partition_name="March's",
    )
    assert "March's" in {name for name, _ in bounds(database)}


HOSTILE = [
    "select",
    'a"b',
    "it's",
    "a.b",
    "Ünïcode %s %I $1",
    "x" * 63,
    "é" * 31,
    "; DROP TABLE t; --",
    "{a,b}",
    "\\",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(database, name):
    quoted = '"' + name.replace('"', '""') + '"'
    database.execute(f"CREATE SCHEMA {quoted}")
    parent = f"{quoted}.{quoted}"
    database.execute(
        f"CREATE TABLE {parent} ({quoted} timestamptz PRIMARY KEY) PARTITION BY RANGE ({quoted});"
        f"ALTER TABLE {parent} ENABLE ROW LEVEL SECURITY, REPLICA IDENTITY FULL;"
        f"CREATE POLICY {quoted} ON {parent} USING (EXISTS (SELECT FROM pg_class WHERE {parent}.{quoted} > now()));"
        f"CREATE TABLE {quoted}.rest PARTITION OF {parent} DEFAULT"
    )
    before = database.dump(schema_only=True)
    ids = {step.migration_id for number in (1, 2) for step in month(database, 2026, number, parent)}
    made = bounds(database, parent)
    assert len(made) == 3
    assert all(len(partition.encode()) <= 63 for partition, _ in made)
    assert database.value("SELECT count(*) FROM lifecycle.check_partition_sizes()") == 3
    assert len(call(database, "ensure_future_partitions", months=1, target=parent)) > 0
    ids.add(database.value("SELECT max(migration_id) FROM lifecycle.migration"))
    for number in sorted(ids, reverse=True):
        call(database, "rollback_migration", migration_id=number, dry_run=False)
    assert database.dump(schema_only=True) == before
