"""Rows that say what is to be done to a table: no administrator writes them for the tables of others."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from harness.calls import call, refused, rows

LEVELS = "lifecycle.by_range('at', '1 month')"
SUCCESSOR = "INSERT INTO lifecycle.successor (former_oid, present_oid)"
POLICY = "parent, parent_oid, levels, premake, retention, time_zone"
FORGED = {
    "successor": [
        f"{SUCCESSOR} VALUES ('public.hers'::regclass, 'public.his'::regclass)",
        f"{SUCCESSOR} VALUES ('public.his'::regclass, 'public.hers'::regclass)",
        "UPDATE lifecycle.successor SET present_oid = 'public.hers'::regclass",
    ],
    "partition_policy": [
        f"INSERT INTO lifecycle.partition_policy ({POLICY}) VALUES ('public.bare', 'public.bare'::regclass, '[]', 0, "
        "'1 day', 'UTC')",
    ],
    "partition_dimension": [
        "INSERT INTO lifecycle.partition_dimension (parent, parent_oid, dimension, dimension_oid, consumer, routine, "
        "path_columns, has_predicate, at_once) VALUES ('public.hers', 'public.hers'::regclass, 'public.his', "
        "'public.his'::regclass, 'x', 'evil', '{at}', false, false)",
    ],
    "partition_leaf_key": [
        "INSERT INTO lifecycle.partition_leaf_key (parent, parent_oid, key_name) VALUES ('public.hers', "
        "'public.hers'::regclass, 'k')",
    ],
}
# What would turn her rows against her, and which ones are hers.
TURNED = {
    "successor": ("present_oid = 'public.his'::regclass", "present_oid = 'public.hers'::regclass"),
    "partition_policy": ("retention = '1 day', premake = 0", "parent = 'public.hers'"),
    "partition_dimension": ("dimension_oid = 'public.his'::regclass", "parent = 'public.hers'"),
    "partition_leaf_key": ("parent = 'public.his'", "parent = 'public.hers'"),
}


@pytest.fixture
def mallory(database, roles):
    """An administrator with tables of his own, beside those of Alice."""
    alice, mallory = roles("alice"), roles("mallory")
    for name in (alice, mallory):
        database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
        call(database, "grant_lifecycle_admin", role_name=name)
    hers, his = database.connect(alice), database.connect(mallory)
    his.execute("CREATE TABLE public.his (id int, at date NOT NULL) PARTITION BY RANGE (at)")
    rows(his, f"SELECT * FROM lifecycle.manage_partitions('public.his', levels => ARRAY[{LEVELS}])")
    his.execute(f"{SUCCESSOR} VALUES ('public.his'::regclass, 'public.his'::regclass)")
    for table in ("hers", "bare"):
        hers.execute(f"CREATE TABLE public.{table} (program text, at date NOT NULL) PARTITION BY LIST (program)")
    hers.execute("CREATE TABLE public.program (program text PRIMARY KEY); INSERT INTO public.program VALUES ('a')")
    rows(
        hers,
        f"SELECT * FROM lifecycle.manage_partitions('public.hers', levels => lifecycle.by_list('program') || {LEVELS})",
    )
    rows(hers, "SELECT * FROM lifecycle.follow_dimension('public.hers', 'public.program', '{program}')")
    hers.execute(
        f"{SUCCESSOR} VALUES ('public.bare'::regclass, 'public.hers'::regclass);"
        "INSERT INTO lifecycle.partition_leaf_key (parent, parent_oid, key_name) VALUES ('public.hers', "
        "'public.hers'::regclass, 'k')"
    )
    return his


@pytest.mark.parametrize(("table", "statement"), [(t, s) for t, found in FORGED.items() for s in found])
def test_no_row_names_anothers_table(mallory, table, statement):
    with refused("42501", f'row-level security policy for table "{table}"'):
        mallory.execute(statement)


@pytest.mark.parametrize("table", TURNED)
def test_rows_of_others_stay(database, mallory, table):
    change, hers = TURNED[table]
    every = f"SELECT t::text FROM lifecycle.{table} AS t WHERE {hers}"
    before = database.execute(every)
    assert before
    # Where nothing is ever changed, nobody has the right to.
    with contextlib.suppress(psycopg.errors.InsufficientPrivilege):
        mallory.execute(f"UPDATE lifecycle.{table} SET {change}")
    mallory.execute(f"DELETE FROM lifecycle.{table}")
    assert database.execute(every) == before


def test_every_table_that_administrators_write_asks_whose_row_it_is(database):
    found = database.execute(
        "SELECT DISTINCT p.relation FROM lifecycle.admin_privilege AS p JOIN pg_class AS c ON c.relname = p.relation "
        "AND c.relnamespace = 'lifecycle'::regnamespace AND c.relkind = 'r' WHERE NOT c.relrowsecurity"
    )
    assert found == []


def test_nobody_is_granted_the_column_that_says_who_wrote_a_row(database, mallory):
    found = mallory.execute(
        "SELECT a.attrelid::regclass::text, a.attname FROM pg_attribute AS a JOIN pg_attrdef AS d "
        "ON d.adrelid = a.attrelid AND d.adnum = a.attnum JOIN pg_class AS c ON c.oid = a.attrelid "
        "WHERE c.relnamespace = 'lifecycle'::regnamespace AND pg_get_expr(d.adbin, d.adrelid) ~* 'current_user' "
        "AND (has_column_privilege(c.oid, a.attnum, 'INSERT') OR has_column_privilege(c.oid, a.attnum, 'UPDATE'))"
    ).fetchall()
    # Its policy asks for the writer's own name.
    assert found == [("lifecycle.setting_value", "changed_by")]
