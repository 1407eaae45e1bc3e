"""Grouping: changes between begin_migration and end_migration are one migration with parts."""

from __future__ import annotations

from harness.calls import apply, call, plan, refused, rollback, rows, statuses


def pair(name: str) -> tuple[str, str]:
    return f"CREATE TABLE public.{name} (id int)", f"DROP TABLE public.{name}"


def group(database, name: str, *parts: str) -> None:
    connection = database.connect(autocommit=False)
    rows(connection, "SELECT lifecycle.begin_migration(%s)", [name])
    for part in parts:
        apply(connection, f"{name}.{part}", pair(part))
    rows(connection, "SELECT lifecycle.end_migration()")
    connection.commit()


def tables(database) -> list[str]:
    return [
        r[0]
        for r in database.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1")
    ]


def states(database) -> dict[str, str]:
    return dict(database.execute("SELECT name, state FROM lifecycle.migration"))


def test_group_rolls_back_as_one(database):
    before = database.dump(schema_only=True)
    group(database, "001", "a", "b")
    assert states(database) == {"001": "applied", "001.a": "applied", "001.b": "applied"}
    assert [s.statement for s in rollback(database, "001", dry_run=True)] == [
        "DROP TABLE public.b",
        "DROP TABLE public.a",
    ]
    assert tables(database) == ["a", "b"]
    rollback(database, "001")
    assert database.dump(schema_only=True) == before
    assert set(states(database).values()) == {"rolled_back"}


def test_part_rolls_back_alone(database):
    group(database, "001", "a", "b")
    rollback(database, "001.b")
    assert tables(database) == ["a"]
    rollback(database, "001")
    assert tables(database) == []


def test_context_ends_with_the_transaction(database):
    connection = database.connect(autocommit=False)
    rows(connection, "SELECT lifecycle.begin_migration('001')")
    apply(connection, "part", pair("b"))
    connection.commit()
    apply(connection, "later", pair("a"))
    connection.commit()
    assert database.execute("SELECT part_of FROM lifecycle.migration WHERE name = 'later'") == [(None,)]
    with refused("25000", "no migration is open"):
        rows(connection, "SELECT lifecycle.end_migration()")
    connection.rollback()
    assert statuses(rollback(database, "001")) == ["done"]
    assert states(database)["001"] == "rolled_back"


def test_groups_do_not_nest(database):
    connection = database.connect(autocommit=False)
    rows(connection, "SELECT lifecycle.begin_migration('001')")
    with refused("25000", "cannot begin migration '002' inside migration 1"):
        rows(connection, "SELECT lifecycle.begin_migration('002')")


def test_end_without_begin(database):
    with refused("25000", "begin_migration"):
        database.execute("SELECT lifecycle.end_migration()")


def test_rolled_back_transaction_leaves_no_context(database):
    connection = database.connect(autocommit=False)
    connection.execute("SAVEPOINT s")
    rows(connection, "SELECT lifecycle.begin_migration('001')")
    connection.execute("ROLLBACK TO s")
    with refused("25000"):
        rows(connection, "SELECT lifecycle.end_migration()")


def test_name_of_a_group_is_taken(database):
    group(database, "001", "a")
    with refused("42710"):
        database.execute("SELECT lifecycle.begin_migration('001')")
    rollback(database, "001")
    group(database, "001", "a")
    assert tables(database) == ["a"]


def test_group_is_pending_as_long_as_a_part_is(database):
    connection = database.connect(autocommit=False)
    rows(connection, "SELECT lifecycle.begin_migration('001')")
    plan(
        connection,
        "'a', 'table public.a', 'CREATE TABLE public.a ()', 'DROP TABLE public.a'",
        "'b', 'table public.b', 'CREATE TABLE public.b ()', 'DROP TABLE public.b', stage => 2",
    )
    rows(connection, "SELECT lifecycle.end_migration()")
    connection.commit()
    assert states(database)["001"] == "pending"
    database.execute("CALL lifecycle.run_pending()")
    assert states(database)["001"] == "applied"


def test_rollback_to(database):
    apply(database, "first", pair("a"))
    group(database, "second", "b", "c")
    apply(database, "third", pair("d"))
    shown = call(database, "rollback_to", migration_name="second")
    assert [s.statement for s in shown] == ["DROP TABLE public.d"]
    call(database, "rollback_to", migration_name="second", dry_run=False)
    assert tables(database) == ["a", "b", "c"]
    call(database, "rollback_to", migration_name="first", dry_run=False)
    assert tables(database) == ["a"]
    assert call(database, "rollback_to", migration_name="first", dry_run=False) == []
    with refused("42704", "no migration named 'third' stands"):
        call(database, "rollback_to", migration_name="third")


def test_rollback_all(database):
    before = database.dump(schema_only=True)
    apply(database, "first", pair("a"))
    group(database, "second", "b", "c")
    for wrong in (None, "yes", "i_understand_this_is_destructive"):
        with refused("22023", "I_UNDERSTAND_THIS_IS_DESTRUCTIVE"):
            call(database, "rollback_all_migrations", confirmation=wrong, dry_run=False)
    assert len(call(database, "rollback_all_migrations")) == 3
    assert tables(database) == ["a", "b", "c"]
    call(database, "rollback_all_migrations", confirmation="I_UNDERSTAND_THIS_IS_DESTRUCTIVE", dry_run=False)
    assert database.dump(schema_only=True) == before
