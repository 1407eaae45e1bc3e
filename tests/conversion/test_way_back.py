"""The way back after the swap: nothing is lost in small batches, and what cannot go back is known at once."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rows

TABLE = """
CREATE TABLE public.t (id int PRIMARY KEY, region text NOT NULL, v text);
INSERT INTO public.t SELECT i, (ARRAY['eu', 'us'])[1 + i % 2], 'v' || i FROM generate_series(1, 20) AS i;
ANALYZE public.t;
"""


@pytest.fixture
def swapped(database):
    """A table of two partitions, just swapped."""
    database.execute(TABLE)
    database.execute("SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend')")
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("CALL lifecycle.swap_tables('t')")
    return database


def step(database, size):
    return rows(database, "SELECT remaining, rollback_possible FROM lifecycle.convert_step('t', %s, 0)", [size])[0]


def contents(database):
    return sorted(database.execute("SELECT * FROM t"))


def test_a_row_that_moved_survives_any_cut_of_the_queue(swapped):
    """Each move is two entries; whichever comes first, and alone, the row stays."""
    for number in range(1, 11):
        region = "us" if number % 2 == 0 else "eu"
        swapped.execute("UPDATE t SET region = %s, v = 'moved' WHERE id = %s", [region, number])
        swapped.execute("UPDATE t SET region = 'us' WHERE id = %s", [number])
    swapped.execute("UPDATE t SET id = id + 100 WHERE id > 15")
    expected = contents(swapped)
    for _ in range(100):
        if step(swapped, 1)[0] is None:
            break
    assert contents(swapped) == expected
    call(swapped, "rollback_conversion", target="t", dry_run=False)
    assert contents(swapped) == expected


def told(place):
    return rows(place, "SELECT rollback_possible, last_error FROM lifecycle.monitor_migration()")[0]


def test_it_is_told_before_anything_is_replayed(database, roles):
    """The moment that such a row is committed; also by another unique key, and not to those who may not look."""
    database.execute(TABLE + "ALTER TABLE t ADD CONSTRAINT t_v UNIQUE (v)")
    database.execute("SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend')")
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("CALL lifecycle.swap_tables('t')")
    watcher = roles("watcher")
    call(database, "grant_lifecycle_use", role_name=watcher)
    database.execute("UPDATE t SET region = 'us' WHERE id < 5")
    assert told(database) == (True, None)
    database.execute("INSERT INTO t VALUES (1, 'eu', 'second')")
    possible, reason = told(database)
    assert not possible
    assert "two rows have the same (id)" in reason
    assert told(database.connect(watcher)) == (True, None)
    with refused("55000", "cannot be rolled back", "the same (id)"):
        call(database, "rollback_conversion", target="t")
    database.execute("DELETE FROM t WHERE v = 'second'; INSERT INTO t VALUES (99, 'eu', 'v2')")
    assert "two rows have the same (v)" in told(database)[1]
    database.execute("DELETE FROM t WHERE id = 99")
    assert told(database) == (True, None)


def test_a_second_row_with_the_same_old_key_is_told_at_once(swapped):
    """The wider key allows it, the old table does not: no row is given up for the other."""
    swapped.execute(
        "INSERT INTO t SELECT id, CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END, 'second' FROM t WHERE id = 1"
    )
    expected = contents(swapped)
    assert len(expected) == 21
    with pytest.raises(psycopg.errors.UniqueViolation):
        swapped.execute("CALL lifecycle.convert_data('t')")
    ((possible, reason),) = rows(swapped, "SELECT rollback_possible, last_error FROM lifecycle.monitor_migration()")
    assert not possible
    assert "rollback is impossible" in reason
    with refused("55000", "cannot be rolled back"):
        call(swapped, "rollback_conversion", target="t", dry_run=False)
    assert contents(swapped) == expected
    swapped.execute("DELETE FROM t WHERE v = 'second'")
    assert step(swapped, 100) == (None, True)
    call(swapped, "rollback_conversion", target="t", dry_run=False)
    assert len(contents(swapped)) == 20
