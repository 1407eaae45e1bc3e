"""A captured table: the triggers of a new partition come in the transaction that makes it."""

from __future__ import annotations

import pytest

from harness.calls import call, rollback, statuses

A, B = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"


def queued(database, queue):
    return sorted(row[0] for row in database.execute(f"DELETE FROM lifecycle_data.{queue} RETURNING id"))


@pytest.mark.parametrize("level", ["statement", "row"])
def test_a_write_to_the_new_leaf_by_its_name(database, level):
    database.execute("CREATE TABLE public.m (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)")
    database.execute("SELECT lifecycle.start_capture('public.m', 'reader', '{id}', %s)", [level])
    before = database.dump(schema_only=True)
    made = call(database, "create_monthly_partition", parent="public.m", year=2026, month=1)
    assert set(statuses(made)) == {"done"}
    database.execute("INSERT INTO public.m_2026_01 VALUES (7, '2026-01-05')")
    assert queued(database, "m_reader_queue") == [7]
    database.execute("TRUNCATE public.m_2026_01")
    assert database.value("SELECT count(*) FROM lifecycle_data.m_reader_queue") == 1
    assert database.execute("SELECT problem FROM lifecycle.capture_status('public.m')") == [(None,)]
    rollback(database, made[0].migration_id)
    assert database.dump(schema_only=True) == before
    assert database.execute("SELECT problem FROM lifecycle.capture_status('public.m')") == [(None,)]


def test_a_partition_that_stays_is_still_captured(database):
    database.execute("CREATE TABLE public.m (id int, at date NOT NULL, PRIMARY KEY (id, at)) PARTITION BY RANGE (at)")
    database.execute("SELECT lifecycle.start_capture('public.m', 'reader', '{id}')")
    made = call(database, "create_monthly_partition", parent="public.m", year=2026, month=1)
    database.execute("INSERT INTO public.m_2026_01 VALUES (7, '2026-01-05')")
    kept = rollback(database, made[0].migration_id, options='{"partition_rows": "keep"}')
    assert set(statuses(kept)) == {"skipped"}
    assert database.execute("SELECT problem FROM lifecycle.capture_status('public.m')") == [(None,)]


def test_a_whole_subtree(database):
    database.execute(
        "SET timezone = 'UTC'; CREATE TABLE public.o (id int, program uuid, site uuid, at timestamptz)"
        " PARTITION BY LIST (program);"
        "SELECT lifecycle.start_capture('public.o', 'reader', '{id}');"
        "SELECT lifecycle.manage_partitions('public.o', levels => lifecycle.by_list('program')"
        " || lifecycle.by_list('site') || lifecycle.by_range('at', '1 month'), premake => 1)"
    )
    call(database, "precreate_partitions", root="public.o", path=f'["{A}", "{B}"]')
    leaf = database.value("SELECT min(relid::regclass::text) FROM pg_partition_tree('public.o') WHERE isleaf")
    database.execute(f"INSERT INTO public.{leaf} VALUES (7, '{A}', '{B}', date_trunc('month', now()))")
    assert queued(database, "o_reader_queue") == [7]
    database.execute(f"INSERT INTO public.o VALUES (8, '{A}', '{B}', date_trunc('month', now()))")
    assert queued(database, "o_reader_queue") == [8]
    assert database.execute("SELECT problem FROM lifecycle.capture_status('public.o')") == [(None,)]


def test_another_table_made_from_a_captured_one_is_not_captured(database):
    database.execute("CREATE TABLE public.m (id int PRIMARY KEY, at date NOT NULL)")
    database.execute("SELECT lifecycle.start_capture('public.m', 'reader')")
    database.execute(
        "SELECT lifecycle.create_partitioned_table('public.m', lifecycle.by_range('at', '1 month'), premake => 1)"
    )
    leaf = database.value(
        "SELECT min(relid::regclass::text) FROM pg_partition_tree('public.m_partitioned') WHERE isleaf"
    )
    assert database.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = %s::regclass", [leaf]) == 0
