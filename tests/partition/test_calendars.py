"""The ends of the calendar: the year 1 and what was before it, the year 9999 and what comes after it, and infinity."""

from __future__ import annotations

import pytest

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
        with refused("22008"):
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
