"""A rollback takes partitions back, and never rows that nobody gave up."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, statuses

DAILY = "CREATE TABLE public.metric (id int, day date) PARTITION BY RANGE (day)"


@pytest.fixture
def january(database):
    """The migration that made the partition of January."""
    database.execute(DAILY)
    return call(database, "create_monthly_partition", parent="public.metric", year=2026, month=1)[0].migration_id


def test_rollback_brings_the_schema_back(database):
    database.execute(DAILY + "; CREATE INDEX ON public.metric (id)")
    before = database.dump(schema_only=True)
    call(database, "ensure_future_partitions", months=2, target="public.metric")
    (number,) = database.execute("SELECT migration_id FROM lifecycle.migration")[0]
    undone = rollback(database, number)
    assert statuses(undone) == ["done"] * 6
    assert database.dump(schema_only=True) == before


def test_rows_are_not_dropped(database, january):
    database.execute("INSERT INTO public.metric VALUES (1, '2026-01-01'), (2, '2026-01-02')")
    for dry_run in (True, False):
        with refused("55000", "table public.metric_2026_01: 2 rows", '{"partition_rows": "keep"}'):
            rollback(database, january, dry_run=dry_run)
    with refused("22023", "partition_rows must be keep or drop, not maybe"):
        rollback(database, january, options='{"partition_rows": "maybe"}')
    assert database.value("SELECT count(*) FROM public.metric") == 2


def test_keep(database, january):
    database.execute("INSERT INTO public.metric VALUES (1, '2026-01-01')")
    kept = rollback(database, january, options='{"partition_rows": "keep"}')
    assert statuses(kept) == ["skipped", "skipped"]
    assert kept[0].note == "stays, it holds 1 row"
    assert database.value("SELECT count(*) FROM public.metric") == 1
    assert database.value("SELECT state FROM lifecycle.migration") == "rolled_back"


def test_keep_leaves_only_what_holds_rows(database):
    database.execute(DAILY)
    call(database, "ensure_future_partitions", months=2, target="public.metric")
    database.execute("INSERT INTO public.metric VALUES (1, now())")
    (number,) = database.execute("SELECT migration_id FROM lifecycle.migration")[0]
    assert sorted(statuses(rollback(database, number, options='{"partition_rows": "keep"}'))) == (
        ["done"] * 4 + ["skipped"] * 2
    )
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.metric'::regclass") == 1


def test_drop(database, january):
    database.execute("INSERT INTO public.metric VALUES (1, '2026-01-01')")
    dropped = rollback(database, january, options='{"partition_rows": "drop"}')
    assert statuses(dropped) == ["done", "done"]
    assert dropped[1].note == "with 1 row"
    assert database.value("SELECT to_regclass('public.metric_2026_01')") is None


def test_rows_that_row_security_hides_are_rows(database, roles):
    owner = roles("owner")
    database.execute(
        DAILY + f"; ALTER TABLE public.metric OWNER TO {owner}; GRANT ALL ON SCHEMA public TO {owner};"
        "ALTER TABLE public.metric ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        f"SELECT lifecycle.grant_lifecycle_admin('{owner}')"
    )
    connection = database.connect(owner)
    number = call(
        connection,
        "create_monthly_partition",
        parent="public.metric",
        year=2026,
        month=1,
    )[0].migration_id
    database.execute("INSERT INTO public.metric VALUES (1, '2026-01-01')")
    with refused("55000", "rows, how many row security does not tell"):
        rollback(connection, number)
    database.execute("TRUNCATE public.metric")
    assert set(statuses(rollback(connection, number))) == {"done"}


def test_a_partition_that_was_detached(database, january):
    database.execute("ALTER TABLE public.metric DETACH PARTITION public.metric_2026_01")
    undone = rollback(database, january)
    assert [(s.status, s.note) for s in undone] == [
        ("skipped", "is detached already"),
        ("done", ""),
    ]
    assert database.value("SELECT to_regclass('public.metric_2026_01')") is None


def test_a_detached_partition_with_rows(database, january):
    database.execute(
        "INSERT INTO public.metric VALUES (1, '2026-01-01');"
        "ALTER TABLE public.metric DETACH PARTITION public.metric_2026_01"
    )
    with refused("55000", "1 row"):
        rollback(database, january)
    assert set(statuses(rollback(database, january, options='{"partition_rows": "keep"}'))) == {"skipped"}


def test_a_partition_that_is_gone(database, january):
    database.execute("DROP TABLE public.metric_2026_01")
    assert set(statuses(rollback(database, january))) == {"skipped"}


def test_renamed_since(database, january):
    database.execute("ALTER TABLE public.metric_2026_01 RENAME TO jan; ALTER TABLE public.metric RENAME TO measured")
    database.execute("INSERT INTO public.measured VALUES (1, '2026-01-01')")
    with refused("55000", "table public.jan: 1 row"):
        rollback(database, january)
    database.execute("TRUNCATE public.measured")
    rollback(database, january)
    assert database.value("SELECT to_regclass('public.jan')") is None
