"""Dump and restore: the journal stays readable and of use, also of a part of a database."""

from __future__ import annotations

import pytest

from harness.calls import apply, call, plan, refused, rollback, rows, statuses


@pytest.fixture
def source(database):
    """Two tables with changes on both, and a group."""
    database.execute(
        "CREATE SCHEMA app; CREATE TABLE app.t1 (id int); CREATE TABLE app.t2 (id int); SELECT "
        "lifecycle.set_setting('lock_timeout', '222')"
    )
    for table in ("t1", "t2"):
        plan(
            database,
            f"'add', 'column app.{table}.c', 'ALTER TABLE app.{table} ADD c int', 'ALTER TABLE app.{table} DROP c'",
            f"'index', 'index app.{table}_c', 'CREATE INDEX {table}_c ON app.{table} (c)', 'DROP INDEX app.{table}_c'",
            target=f"app.{table}",
        )
    connection = database.connect(autocommit=False)
    rows(connection, "SELECT lifecycle.begin_migration('group')")
    apply(connection, "part", ("CREATE TABLE app.t3 ()", "DROP TABLE app.t3"))
    rows(connection, "SELECT lifecycle.end_migration()")
    connection.commit()
    connection.close()
    return database


def restored(source, *options, setup=""):
    copy = source.empty()
    if setup:
        copy.execute(setup)
    source.server.restore(copy.name, source.server.dump(source.name, *options))
    return copy


def journal(database):
    return database.execute(
        "SELECT migration_id, name, feature, target, state, applied_by FROM lifecycle.migration ORDER BY 1"
    )


def test_whole_database(source):
    copy = restored(source)
    assert journal(copy) == journal(source)
    assert copy.dump(sort_rows=True) == source.dump(sort_rows=True)
    assert copy.value("SELECT lifecycle.setting('lock_timeout')") == "222"
    assert copy.execute("SELECT DISTINCT severity FROM lifecycle.verify_migrations()") == [("ok",)]
    for what in ("group", 2, 1):
        assert set(statuses(rollback(copy, what))) == {"done"}
    assert copy.execute("SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace ORDER BY 1") == [
        ("t1",),
        ("t2",),
    ]
    apply(copy, "after", ("SELECT 1", None))
    assert copy.value("SELECT migration_id FROM lifecycle.migration WHERE name = 'after'") == 5, "the sequence goes on"


def test_dump_of_a_restored_database_is_the_same(source):
    once = restored(source)
    twice = restored(once)
    assert twice.dump(sort_rows=True) == source.dump(sort_rows=True)


def test_without_one_table(source):
    copy = restored(source, "-T", "app.t2")
    assert journal(copy) == journal(source)
    found = dict(copy.execute("SELECT object, finding FROM lifecycle.verify_migrations()"))
    assert found["column app.t2.c"] == "missing"
    assert found["column app.t1.c"] == "ok"
    assert set(statuses(rollback(copy, 2))) == {"skipped"}
    assert set(statuses(rollback(copy, 1))) == {"done"}


def test_one_schema_and_the_extension(source):
    copy = restored(source, "-n", "app", "-e", "pg_lifecycle")
    assert journal(copy) == journal(source)
    assert set(statuses(rollback(copy, 1))) == {"done"}


def test_one_schema_without_the_extension(source):
    copy = restored(source, "-n", "app")
    assert copy.execute("SELECT FROM pg_extension WHERE extname = 'pg_lifecycle'") == []
    assert copy.value("SELECT count(*) FROM app.t1") == 0


def test_changes_of_both_origins(source):
    """A restored database goes on journaling with its own oids, and knows which are which."""
    copy = restored(source)
    plan(copy, "'add', 'column app.t1.d', 'ALTER TABLE app.t1 ADD d int', 'ALTER TABLE app.t1 DROP d'", target="app.t1")
    copy.execute("ALTER TABLE app.t1 RENAME TO renamed")
    assert set(statuses(rollback(copy, copy.value("SELECT max(migration_id) FROM lifecycle.migration")))) == {"done"}
    undone = {step.object: step.status for step in rollback(copy, 1)}
    assert undone == {"index app.t1_c": "done", "column app.t1.c": "skipped"}, (
        "of a restored row only the name is known"
    )
    assert (
        copy.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'app.renamed'::regclass AND attname = 'c'") == 1
    )


def test_pending_stages_resume_after_a_restore(database):
    database.execute("CREATE TABLE public.t (id int)")
    plan(
        database,
        "'a', 'column public.t.a', 'ALTER TABLE public.t ADD a int', 'ALTER TABLE public.t DROP a'",
        "'b', 'column public.t.b', 'ALTER TABLE public.t ADD b int', 'ALTER TABLE public.t DROP b', stage => 2",
        target="public.t",
    )
    copy = restored(database)
    copy.execute("CALL lifecycle.run_pending()")
    assert copy.value("SELECT state FROM lifecycle.migration") == "applied"
    before = [s.statement for s in rollback(copy, 1, dry_run=True)]
    assert before == ["ALTER TABLE public.t DROP b", "ALTER TABLE public.t DROP a"]
    rollback(copy, 1)


def test_restore_by_an_ordinary_owner(database, roles, server):
    owner = roles("owner")
    empty = database.empty()
    server.execute(f"ALTER DATABASE {empty.name} OWNER TO {owner}")
    connection = empty.connect(owner)
    connection.execute("CREATE EXTENSION pg_lifecycle; CREATE SCHEMA app")
    apply(connection, "m", ("CREATE TABLE app.t ()", "DROP TABLE app.t"))
    connection.close()
    copy = database.empty()
    server.execute(f"ALTER DATABASE {copy.name} OWNER TO {owner}")
    server.restore(copy.name, f"SET SESSION AUTHORIZATION {owner};\n" + server.dump(empty.name, "--role", owner))
    connection = copy.connect(owner)
    assert rows(connection, "SELECT applied_by FROM lifecycle.migration") == [(owner,)]
    assert set(statuses(rollback(connection, "m"))) == {"done"}


def test_rollback_function_survives(source):
    call(source, "create_rollback_function", migration_name="part")
    copy = restored(source)
    assert copy.execute("SELECT status FROM public.rollback_part(dry_run => false)") == [("done",)]
    with refused("42P01"):
        copy.execute("SELECT * FROM app.t3")
