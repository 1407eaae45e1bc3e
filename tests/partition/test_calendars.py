"""The ends of the calendar: the year 1 and what was before it, the year 9999 and what comes after it, and infinity."""

from __future__ import annotations

import datetime
import itertools
import zoneinfo

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.calls import call, refused, statuses

ENDS = [
    ("-infinity", "0044-03-01 BC"),
    ("0044-03-01 BC", "0044-04-01 BC"),
    ("0001-01-01", "0001-02-01"),
    ("9999-12-01", "10000-01-01"),
    ("10000-01-01", "infinity"),
]


@pytest.fixture(params=["date", "timestamp", "timestamptz"])
def table(request, database):
    database.execute(f"SET timezone = 'UTC'; CREATE TABLE public.c (at {request.param}) PARTITION BY RANGE (at)")
    for lower, upper in ENDS:
        done = call(database, "create_partition", parent="public.c", lower_bound=lower, upper_bound=upper)
        assert statuses(done) == ["done"] * 2
    return database


def test_every_end_holds_its_rows(table):
    table.execute(
        "INSERT INTO public.c VALUES ('-infinity'), ('0045-01-01 BC'), ('0044-03-31 BC'), ('0001-01-31'),"
        " ('9999-12-31'), ('20000-01-01')"
    )
    held = table.execute("SELECT tableoid::regclass::text, count(*) FROM public.c GROUP BY 1 ORDER BY 1")
    assert held == [("c_0001_01", 1), ("c_0044_03", 1), ("c_10000_01_01", 1), ("c_9999_12", 1), ("c_first", 2)]


@pytest.mark.parametrize(
    ("year", "month", "status"),
    [(1, 1, "skipped"), (1, 2, "done"), (9999, 11, "done"), (9999, 12, "skipped"), (10000, 1, "skipped")],
)
def test_months_beside_them(table, year, month, status):
    done = call(table, "create_monthly_partition", parent="public.c", year=year, month=month)
    assert set(statuses(done)) == {status}


def test_what_is_no_month_and_no_range(table):
    for year, month in ((0, 1), (2024, 13), (2024, 0)):
        with refused("22023"):
            call(table, "create_monthly_partition", parent="public.c", year=year, month=month)
    for lower, upper in (("MINVALUE", "-infinity"), ("infinity", "infinity"), ("2024-02-01", "2024-01-01")):
        with refused("42P17", "is empty"):
            call(table, "create_partition", parent="public.c", lower_bound=lower, upper_bound=upper)


def test_the_clock_makes_no_more_than_the_present(table):
    """Neither the end of time nor a row of the year 20000 is a reason to fill what lies between."""
    table.execute("INSERT INTO public.c VALUES ('20000-01-01')")
    made = call(table, "ensure_future_partitions", months=1, target="public.c")
    assert [step.status for step in made if step.action == "create partition"] == ["done"] * 2
    found = table.execute("SELECT finding FROM lifecycle.validate_partitions('public.c') WHERE severity <> 'ok'")
    assert set(found) == {("has a gap between its partitions",)}


ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia", "Asia/Gaza"]
SPANS = ["1 hour", "6 hours", "1 day", "1 week", "10 days", "1 month", "3 months", "1 year"]
MONTH_ENDS = [
    datetime.datetime(year, month, day, 23, 59, 59)
    for year, month, day in [
        (1900, 2, 28),
        (2000, 2, 29),
        (2023, 2, 28),
        (2024, 2, 29),
        (2100, 2, 28),
        (2023, 12, 31),
        (2024, 4, 30),
        (1, 1, 31),
        (1, 2, 28),
        (4, 2, 29),
        (9996, 2, 29),
        (9999, 2, 28),
    ]
]


def turned():
    """Moments around each change of a clock in ten years of some zones: hours and seconds before and after it."""
    made = []
    for zone, year in itertools.product(ZONES, (1999, 2011, 2018, 2026)):
        rules, hour = zoneinfo.ZoneInfo(zone), datetime.timedelta(hours=1)
        begin = datetime.datetime(year, 1, 1, tzinfo=datetime.UTC)
        offsets = [(begin + n * hour, (begin + n * hour).astimezone(rules).utcoffset()) for n in range(8760)]
        for (_, before), (moment, after) in itertools.pairwise(offsets):
            if before != after:
                made += [(zone, moment + datetime.timedelta(seconds=s)) for s in (-86400, -3600, -1, 0, 1, 3600, 86400)]
    return made


PERIODS = (
    "SELECT trim((p.lower_end).literal, ''''), trim((p.upper_end).literal, '''')"
    " FROM lifecycle._periods(%s::regtype, %s, %s, NULL, %s::numeric, 3) AS p"
)


def hold_every_row(database, kind, zone, every, moment):
    """Makes the period of a moment beside the next three, and asks PostgreSQL where their first and last rows are."""
    place = (moment - datetime.datetime(1970, 1, 1)).total_seconds()
    database.execute(f"DROP TABLE IF EXISTS public.k; CREATE TABLE public.k (at {kind}) PARTITION BY RANGE (at)")
    periods = database.execute(PERIODS, [kind, every, zone, place])
    (lower, upper), *others = periods
    done = call(database, "create_partition", parent="public.k", lower_bound=lower, upper_bound=upper)
    assert statuses(done) == ["done"] * 2
    for number, (begin, end) in enumerate([("-infinity", lower), *others, (periods[-1][1], "infinity")]):
        database.execute(
            f"CREATE TABLE public.k_{number}_plain PARTITION OF public.k FOR VALUES FROM ('{begin}') TO"
            f" ({'MAXVALUE' if end == 'infinity' else repr(end)})"
        )
    smallest = "1" if kind == "date" else "interval '1 microsecond'"
    for begin, end in periods:
        database.execute(f"INSERT INTO public.k VALUES (%s::{kind}), (%s::{kind} - {smallest})", [begin, end])
    database.execute("INSERT INTO public.k VALUES ('-infinity'), ('infinity')")
    counted = "SELECT count(*) FROM public.k GROUP BY tableoid ORDER BY min(at)"
    assert database.execute(counted) == [(1,), *[(2,)] * 4, (1,)], (kind, zone, every, moment)


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_partitions_hold_every_row_at_the_ends_of_months_and_years(database, kind):
    """Leap years, the years 1 and 9999, and infinity on both sides, in zones on both sides of UTC."""
    database.execute("SET timezone = 'UTC'")

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        moment=st.sampled_from(MONTH_ENDS) | st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 30)),
        zone=st.sampled_from(["UTC", *ZONES]),
        every=st.sampled_from(SPANS),
        late=st.sampled_from([0, 1]),
    )
    @example(moment=datetime.datetime(1, 1, 1), zone="Pacific/Apia", every="1 day", late=0)
    @example(moment=datetime.datetime(9999, 12, 31, 23, 59, 59), zone="America/New_York", every="1 month", late=0)
    def check(moment, zone, every, late):
        if kind == "date" and "hour" in every:
            every = "1 day"
        hold_every_row(database, kind, zone, every, moment + datetime.timedelta(seconds=late) * (moment.year < 9999))

    check()


def test_partitions_hold_every_row_when_the_clock_is_turned(database):
    database.execute("SET timezone = 'UTC'")

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(zoned=st.sampled_from(turned()), every=st.sampled_from(SPANS))
    def check(zoned, every):
        zone, moment = zoned
        hold_every_row(database, "timestamptz", zone, every, moment.replace(tzinfo=None))

    check()
