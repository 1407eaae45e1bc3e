"""A default partition with a CHECK that shuts a window out is not read when partitions are added inside it."""

from __future__ import annotations

import psycopg

from harness.calls import call, refused, rollback, statuses

SET = "CREATE TABLE public.m (day date, n int) PARTITION BY RANGE (day)"
WINDOW = {"target": "public.m", "lower_bound": "2025-01-01", "upper_bound": "2030-01-01"}


def scans(database, statement):
    """Runs a statement; the tables that were read to see whether their rows fit."""
    said = []
    with psycopg.connect(database.dsn(), autocommit=True) as connection:
        connection.execute("SET client_min_messages = debug1")
        connection.add_notice_handler(lambda d: said.append(d.message_primary))
        connection.execute(statement)
    return [m for m in said if "implied by existing constraints" in m]


def test_partitions_inside_the_window_need_no_look(database):
    database.execute(SET)
    assert set(statuses(call(database, "guard_default_partition", **WINDOW))) == {"done"}
    database.execute("INSERT INTO public.m VALUES ('2024-12-31', 1), ('2030-01-01', 2), (NULL, 3), ('infinity', 4)")
    with refused("23514"):
        database.execute("INSERT INTO public.m VALUES ('2026-01-01', 1)")
    (shown, _) = call(database, "create_monthly_partition", parent="public.m", year=2026, month=1, dry_run=True)
    assert shown.note is None
    said = scans(database, "SELECT lifecycle.create_monthly_partition('public.m', 2026, 1)")
    assert any("updated partition constraint for default partition" in m for m in said)
    database.execute("INSERT INTO public.m VALUES ('2026-01-01', 1)")
    # outside of it as ever
    (shown, _) = call(
        database,
        "create_partition",
        parent="public.m",
        lower_bound="2031-01-01",
        upper_bound="2032-01-01",
        dry_run=True,
    )
    assert "reads the whole default partition" in shown.note
    with refused("23514", "belong to the new partition", "drain_default_partition"):
        call(database, "create_partition", parent="public.m", lower_bound="2030-01-01", upper_bound="2032-01-01")
    assert statuses(call(database, "guard_default_partition", **WINDOW)) == ["skipped"]


def test_one_that_stands_is_guarded_and_the_window_moves(database):
    database.execute(SET + "; CREATE TABLE public.rest PARTITION OF public.m DEFAULT")
    database.execute("INSERT INTO public.m VALUES ('2026-01-01', 1)")
    with refused("23514", "1 rows of the default partition"):
        call(database, "guard_default_partition", **WINDOW)
    database.execute("UPDATE public.m SET day = '2031-05-05'")
    before = database.dump(schema_only=True)
    first = call(database, "guard_default_partition", **WINDOW)
    assert statuses(first) == ["done", "pending"]
    database.execute("CALL lifecycle.run_pending()")
    guarded = database.dump(schema_only=True)
    moved = call(database, "guard_default_partition", **(WINDOW | {"upper_bound": "2031-01-01"}))
    database.execute("CALL lifecycle.run_pending()")
    definition = database.value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'rest_guard'")
    assert "2031-01-01" in definition
    rollback(database, moved[0].migration_id)
    assert database.dump(schema_only=True) == guarded
    rollback(database, first[0].migration_id)
    assert database.dump(schema_only=True) == before


def test_a_drained_default_keeps_its_guard(database):
    database.execute(SET)
    call(database, "guard_default_partition", **WINDOW)
    database.execute(
        "SELECT lifecycle.manage_partitions('public.m', '1 year'); INSERT INTO public.m VALUES ('2020-02-02', 1)"
    )
    database.execute("CALL lifecycle.drain_default_partition('public.m')")
    with refused("23514"):
        database.execute("INSERT INTO public.m VALUES ('2028-01-01', 1)")
    assert database.value("SELECT count(*) FROM public.m_2020") == 1
    with refused("42P17", "is empty"):
        call(database, "guard_default_partition", **(WINDOW | {"upper_bound": "2025-01-01"}))
