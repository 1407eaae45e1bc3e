"""Keys of every kind: numbers, UUIDs of version 7, lists, hashes; spans over calendars and clocks."""

from __future__ import annotations

import calendar
import datetime
import itertools
import zoneinfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.calls import call, refused, statuses


def bounds(database, parent):
    return database.execute(
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS i JOIN pg_class AS c"
        " ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY c.oid",
        [parent],
    )


@pytest.mark.parametrize("kind", ["smallint", "int", "bigint", "numeric"])
def test_numbers(database, kind):
    database.execute(f"CREATE TABLE public.n (id {kind}) PARTITION BY RANGE (id)")
    for lower, upper in (("-100", "0"), ("0", "100"), ("MINVALUE", "-100")):
        assert (
            statuses(
                call(
                    database,
                    "create_partition",
                    parent="public.n",
                    lower_bound=lower,
                    upper_bound=upper,
                )
            )
            == ["done"] * 2
        )
    assert [name for name, _ in bounds(database, "public.n")] == [
        "n_m100",
        "n_0",
        "n_first",
    ]
    with refused("42P17", "overlaps partition public.n_0"):
        call(
            database,
            "create_partition",
            parent="public.n",
            lower_bound="99",
            upper_bound="200",
        )
    assert statuses(
        call(
            database,
            "create_partition",
            parent="public.n",
            lower_bound="-50",
            upper_bound="50",
        )
    ) == ["skipped"]
    with refused("22P02"):
        call(
            database,
            "create_partition",
            parent="public.n",
            lower_bound="2026-01-01",
            upper_bound="2026-02-01",
        )
    with refused("0A000", "ranges of time"):
        call(database, "create_monthly_partition", parent="public.n", year=2026, month=1)


def test_numbers_of_all_sizes(database):
    database.execute("CREATE TABLE public.n (id numeric) PARTITION BY RANGE (id)")
    huge = "1" + "0" * 40
    for lower, upper in (("0.5", "1.25"), ("3000000000", huge)):
        assert (
            statuses(
                call(
                    database,
                    "create_partition",
                    parent="public.n",
                    lower_bound=lower,
                    upper_bound=upper,
                )
            )
            == ["done"] * 2
        )
        assert statuses(
            call(
                database,
                "create_partition",
                parent="public.n",
                lower_bound=lower,
                upper_bound=upper,
            )
        ) == ["skipped"]
    for bad in ("NaN", "Infinity"):
        with refused("22023", "is no bound"):
            call(
                database,
                "create_partition",
                parent="public.n",
                lower_bound="0",
                upper_bound=bad,
            )


def test_uuids_of_version_7(database):
    database.execute("CREATE TABLE public.u (id uuid) PARTITION BY RANGE (id); SET timezone = 'UTC'")
    call(database, "create_monthly_partition", parent="public.u", year=2026, month=1)
    assert bounds(database, "public.u") == [
        (
            "u_2026_01",
            "FOR VALUES FROM ('019b76da-a800-0000-0000-000000000000') TO ('019c167f-cc00-0000-0000-000000000000')",
        )
    ]
    # as other tools write them: the version and variant are set
    database.execute(
        "CREATE TABLE public.u_2026_02 PARTITION OF public.u FOR VALUES FROM ('019c167f-cc00-0000-0000-000000000000')"
        " TO ('019ca6b1-dc00-7000-8000-000000000000')"
    )
    assert (
        statuses(
            call(
                database,
                "create_monthly_partition",
                parent="public.u",
                year=2026,
                month=3,
            )
        )
        == ["done"] * 2
    )
    assert bounds(database, "public.u")[2][1].startswith("FOR VALUES FROM ('019ca6b1-dc00-7000-8000-000000000000') TO")
    database.execute("INSERT INTO public.u VALUES ('019b76da-a800-7abc-8def-000000000001')")
    assert database.execute("SELECT tableoid::regclass::text FROM public.u") == [("u_2026_01",)]


@pytest.mark.parametrize(
    ("kind", "values", "name"),
    [
        ("text", ["Zürich Nord", "it's", None], "l_zürich_nord_it_s_null"),
        ("int", ["7", "-3"], "l_7_3"),
        ("boolean", ["true"], "l_true"),
        ("uuid", ["0F1E2D3C-0000-4000-8000-000000000000"], "l_0f1e2d3c"),
        ("mood", ["so, so"], "l_so_so"),
        ("timestamptz", ["2026-01-01 00:00+01"], "l_2025_12_31_23_00_00"),
    ],
)
def test_lists_of_any_type(database, kind, values, name):
    database.execute("SET timezone = 'UTC'; CREATE TYPE public.mood AS ENUM ('so, so', 'good')")
    database.execute(f"CREATE TABLE public.l (k {kind if kind != 'mood' else 'public.mood'}) PARTITION BY LIST (k)")
    assert statuses(call(database, "create_list_partition", parent="public.l", list_values=values)) == ["done"] * 2
    assert statuses(call(database, "create_list_partition", parent="public.l", list_values=values[:1])) == ["skipped"]
    for value in values:
        database.execute(
            "INSERT INTO public.l SELECT %s::text::" + (kind if kind != "mood" else "public.mood"),
            [value],
        )
    if kind == "timestamptz":
        return
    assert {row for (row,) in database.execute("SELECT tableoid::regclass::text FROM public.l")} <= {name, f'"{name}"'}


def test_list_names_that_collide(database):
    database.execute("CREATE TABLE public.l (k text) PARTITION BY LIST (k)")
    for value in ("a-b", "a b", "a_b"):
        call(database, "create_list_partition", parent="public.l", list_values=[value])
    names = [name for name, _ in bounds(database, "public.l")]
    assert names[0] == "l_a_b"
    assert len(set(names)) == 3
    with refused("42P07"):
        call(
            database,
            "create_list_partition",
            parent="public.l",
            list_values=["x"],
            partition_name="l_a_b",
        )
    with refused("22023"):
        call(database, "create_list_partition", parent="public.l", list_values=[])


def test_hash(database):
    database.execute("CREATE TABLE public.h (k uuid) PARTITION BY HASH (k)")
    assert statuses(call(database, "create_hash_partitions", parent="public.h", modulus=12)) == ["done"] * 24
    assert bounds(database, "public.h")[3] == (
        "h_h03",
        "FOR VALUES WITH (modulus 12, remainder 3)",
    )
    database.execute("INSERT INTO public.h SELECT gen_random_uuid() FROM generate_series(1, 100)")
    assert statuses(call(database, "create_hash_partitions", parent="public.h", modulus=12)) == ["skipped"] * 12
    for modulus in (0, None, 10001):
        with refused("22023", "modulus"):
            call(database, "create_hash_partitions", parent="public.h", modulus=modulus)
    with refused("0A000", "not partitioned by LIST"):
        call(database, "create_list_partition", parent="public.h", list_values=["x"])


PERIODS = """
SELECT trim((p.lower_end).literal, ''''), trim((p.upper_end).literal, ''''), (p.lower_end).place, (p.upper_end).place
FROM lifecycle._periods(%s::regtype, %s, %s, %s::numeric, %s::numeric, %s) AS p
"""


def test_calendars(database):
    """Periods touch, hold the moment asked for, and begin at midnight where there is one: any zone, any time."""
    moments = st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9990, 12, 30))
    zones = st.sampled_from(
        [
            "UTC",
            "Europe/Berlin",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Apia",
        ]
    )
    spans = st.sampled_from(
        [
            "1 hour",
            "6 hours",
            "1 day",
            "1 week",
            "10 days",
            "1 month",
            "3 months",
            "1 year",
            "2 years",
        ]
    )
    kinds = st.sampled_from(["timestamptz", "timestamp", "date"])

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(moment=moments, zone=zones, every=spans, kind=kinds)
    def check(moment, zone, every, kind):
        if kind == "date" and "hour" in every:
            return
        place = (moment - datetime.datetime(1970, 1, 1)).total_seconds()
        found = database.execute(PERIODS, [kind, every, zone, None, place, 3])
        assert float(found[0][2]) <= place < float(found[0][3])
        assert all(before[3] == after[2] and before[2] < before[3] for before, after in itertools.pairwise(found))
        # a later call that goes on from any of these bounds finds the same ones
        assert database.execute(PERIODS, [kind, every, zone, found[2][2], place, 3]) == found

    check()


def test_days_when_the_clock_is_turned(database):
    for zone, day, hours in [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("America/Sao_Paulo", "2018-11-04", 23),
    ]:
        noon = datetime.datetime.fromisoformat(day + " 12:00").replace(tzinfo=zoneinfo.ZoneInfo(zone)).timestamp()
        ((_, _, lower, upper),) = database.execute(PERIODS, ["timestamptz", "1 day", zone, None, noon, 0])
        assert float(upper - lower) == hours * 3600
        hourly = database.execute(PERIODS, ["timestamptz", "1 hour", zone, None, noon - 43200, 30])
        assert {float(h[3] - h[2]) for h in hourly} == {3600.0}


def test_month_ends_and_leap_years(database):
    for year, month in [
        (1900, 2),
        (2000, 2),
        (2023, 12),
        (2024, 2),
        (2026, 2),
        (9999, 12),
    ]:
        last = calendar.monthrange(year, month)[1]
        place = (datetime.datetime(year, month, last, 23, 59) - datetime.datetime(1970, 1, 1)).total_seconds()
        ((lower, _, begin, end),) = database.execute(PERIODS, ["date", "1 month", "UTC", None, place, 0])
        assert lower == f"{year:04d}-{month:02d}-01"
        assert (end - begin) / 86400 == last


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        ("date", "30"),
        ("date", "1 hour"),
        ("timestamptz", "59 minutes"),
        ("timestamptz", "1 month 1 day"),
        ("timestamptz", "0 days"),
        ("timestamptz", "-1 month"),
        ("int4", "0"),
        ("int4", "-5"),
        ("numeric", "NaN"),
        ("numeric", "Infinity"),
        ("date", None),
    ],
)
def test_spans_that_are_none(database, kind, every):
    with refused("22023", f"cannot be every {every or 'NULL'}"):
        database.execute(
            "SELECT lifecycle._period(%s::regtype, %s)",
            [kind if kind != "int4" else "integer", every],
        )
