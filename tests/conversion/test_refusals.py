"""What a conversion refuses before it has done anything, and why."""

from __future__ import annotations

import pytest

from harness.calls import refused, rows

TABLE = (
    "CREATE TABLE public.t (id bigint PRIMARY KEY, at timestamptz NOT NULL);"
    "INSERT INTO public.t VALUES (1, '2024-01-01');"
)
START = "SELECT * FROM lifecycle.start_conversion('public.t', lifecycle.by_range('at', '1 month')"
EXTEND = ", key_mode => 'extend'"


@pytest.mark.parametrize(
    ("scene", "more", "code", "words"),
    [
        ("", "", "0A000", "public.t cannot be converted"),
        ("", ", attach_existing => true", "0A000", "public.t cannot be converted"),
        ("INSERT INTO public.t VALUES (2, 'infinity')", EXTEND, "23514", "holds NULL or infinity"),
        ("CREATE TABLE public.t_old ()", EXTEND, "42P07", "Choose another new_name or old_name"),
        ("CREATE TABLE public.t_partitioned ()", EXTEND, "42P07", "exists already"),
        ("", EXTEND + ", new_name => 'x', old_name => 'id'", None, ""),
    ],
)
def test_start(database, scene, more, code, words):
    database.execute(TABLE + scene)
    before = database.dump()
    if code is None:
        assert rows(database, START + more + ", dry_run => true)")
    else:
        with refused(code, words):
            database.execute(START + more + ")")
    assert database.dump() == before


def test_other_levels_while_it_is_under_way(database):
    database.execute(TABLE)
    database.execute(START + EXTEND + ")")
    before = database.dump()
    with refused("55000", "public.t is being converted to other levels", '"every": "1 month"', "rollback_conversion"):
        database.execute(START.replace("1 month", "1 week") + EXTEND + ")")
    assert rows(database, START.replace("SELECT *", "SELECT status") + EXTEND + ")") == [("skipped",)]
    assert database.dump() == before


def test_a_swap_of_nothing(database):
    """The procedure tells what the function tells, without an empty DETAIL."""
    database.execute(TABLE)
    with refused("55000", "public.t is not being converted", "monitor_migration()"):
        database.execute("CALL lifecycle.swap_tables('public.t')")


def test_steps_of_no_rows(database):
    database.execute(TABLE)
    database.execute(START + EXTEND + ")")
    for size in ("0", "NULL"):
        with refused("22023", "batch_size must be at least 1"):
            database.execute(f"SELECT lifecycle.convert_step('public.t', {size})")


def test_phases_in_their_order(database):
    database.execute(TABLE)
    with refused("55000", "not being converted"):
        database.execute("SELECT lifecycle.convert_step('public.t')")
    database.execute(START + EXTEND + ")")
    with refused("55000", "is in phase copy"):
        database.execute("SELECT * FROM lifecycle.finish_conversion('public.t')")
