"""Rollback: what rests on what, what was renamed, dropped or made again since."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from psycopg import sql

from harness.calls import apply, call, plan, refused, rollback, statuses


def made(kind: str, name: str, statement: str, inverse: str | None, **more: object) -> str:
    """Arguments of lifecycle._step."""
    quoted = [
        f"$q${part}$q$" if part is not None else "NULL"
        for part in (f"make {kind}", f"{kind} {name}", statement, inverse)
    ]
    return ", ".join([*quoted, *(f"{key} => {value}" for key, value in more.items())])


@pytest.fixture
def t(database):
    database.execute("CREATE TABLE public.t (id int PRIMARY KEY, a int)")
    return database


def column(name="d", relation="public.t"):
    return made(
        "column",
        f"{relation}.{name}",
        f"ALTER TABLE {relation} ADD COLUMN {name} int",
        f"ALTER TABLE {relation} DROP COLUMN {name}",
    )


def index(name="i", on="a"):
    return made("index", f"public.{name}", f"CREATE INDEX {name} ON public.t ({on})", f"DROP INDEX public.{name}")


FUNCTION = made(
    "function",
    "public.f(bigint)",
    "CREATE FUNCTION public.f(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1'",
    "DROP FUNCTION public.f(bigint)",
)
TRIGGER_FUNCTION = made(
    "function",
    "public.tf()",
    "CREATE FUNCTION public.tf() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$",
    "DROP FUNCTION public.tf()",
)
TRIGGER = made(
    "trigger",
    "trg on public.t",
    "CREATE TRIGGER trg BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.tf()",
    "DROP TRIGGER trg ON public.t",
)
CONSTRAINT = made(
    "table constraint",
    "c on public.t",
    "ALTER TABLE public.t ADD CONSTRAINT c CHECK (a > 0)",
    "ALTER TABLE public.t DROP CONSTRAINT c",
)
POLICY = made("policy", "p on public.t", "CREATE POLICY p ON public.t USING (true)", "DROP POLICY p ON public.t")
VIEW = made("view", "public.v", "CREATE VIEW public.v AS SELECT id FROM public.t", "DROP VIEW public.v")
MATVIEW = made(
    "materialized view",
    "public.m",
    "CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS one",
    "DROP MATERIALIZED VIEW public.m",
)
SEQUENCE = made("sequence", "public.s", "CREATE SEQUENCE public.s", "DROP SEQUENCE public.s")
SCHEMA = made("schema", "app", "CREATE SCHEMA app", "DROP SCHEMA app")
TYPE = made("type", "public.e", "CREATE TYPE public.e AS ENUM ('a')", "DROP TYPE public.e")

KINDS = {
    "column": ([column()], "ALTER TABLE public.t RENAME COLUMN d TO renamed", "ALTER TABLE public.t DROP COLUMN d"),
    "index": ([index()], "ALTER INDEX public.i RENAME TO renamed", "DROP INDEX public.i"),
    "function": ([FUNCTION], "ALTER FUNCTION public.f(bigint) RENAME TO renamed", "DROP FUNCTION public.f(bigint)"),
    "trigger": (
        [TRIGGER_FUNCTION, TRIGGER],
        "ALTER TRIGGER trg ON public.t RENAME TO renamed",
        "DROP TRIGGER trg ON public.t",
    ),
    "constraint": (
        [CONSTRAINT],
        "ALTER TABLE public.t RENAME CONSTRAINT c TO renamed",
        "ALTER TABLE public.t DROP CONSTRAINT c",
    ),
    "policy": ([POLICY], "ALTER POLICY p ON public.t RENAME TO renamed", "DROP POLICY p ON public.t"),
    "view": ([VIEW], "ALTER VIEW public.v RENAME TO renamed", "DROP VIEW public.v"),
    "matview": ([MATVIEW], "ALTER MATERIALIZED VIEW public.m RENAME TO renamed", "DROP MATERIALIZED VIEW public.m"),
    "sequence": ([SEQUENCE], "ALTER SEQUENCE public.s RENAME TO renamed", "DROP SEQUENCE public.s"),
    "schema": ([SCHEMA], "ALTER SCHEMA app RENAME TO renamed", "DROP SCHEMA app"),
    "type": ([TYPE], "ALTER TYPE public.e RENAME TO renamed", "DROP TYPE public.e"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rename_is_followed(t, kind):
    steps, rename, _ = KINDS[kind]
    before = t.dump(schema_only=True)
    plan(t, *steps)
    t.execute(rename)
    assert "renamed" in rollback(t, 1, dry_run=True)[0].object
    rollback(t, 1)
    assert t.dump(schema_only=True) == before


@pytest.mark.parametrize("kind", KINDS)
def test_rename_to_a_hostile_name_is_followed(t, kind):
    steps, rename, _ = KINDS[kind]
    before = t.dump(schema_only=True)
    plan(t, *steps)
    t.execute(rename.replace("TO renamed", """TO "a on b.""c""; $$ -- ' ü" """))
    rollback(t, 1)
    assert t.dump(schema_only=True) == before


@pytest.mark.parametrize("kind", KINDS)
def test_missing_object_is_skipped(t, kind):
    steps, _, drop = KINDS[kind]
    before = t.dump(schema_only=True)
    plan(t, *steps)
    t.execute(drop)
    done = rollback(t, 1)
    assert done[0].status == "skipped"
    assert done[0].note == "is gone already"
    assert t.dump(schema_only=True) == before


@pytest.mark.parametrize("kind", KINDS)
def test_object_made_again_is_refused(t, kind):
    steps, _, drop = KINDS[kind]
    plan(t, *steps)
    create = t.value("SELECT statement FROM lifecycle.migration_step ORDER BY step DESC LIMIT 1")
    t.execute(drop)
    t.execute(create)
    before = t.dump()
    with refused("55000", "is not the object that migration 1 made", "Rename or drop that one"):
        rollback(t, 1)
    assert t.dump() == before


def test_renamed_table_and_schema(t):
    plan(t, column(), index(on="d"), TRIGGER_FUNCTION, TRIGGER, CONSTRAINT, POLICY, target="public.t")
    t.execute("ALTER TABLE public.t RENAME TO u; CREATE SCHEMA app; ALTER TABLE public.u SET SCHEMA app")
    done = rollback(t, 1)
    assert set(statuses(done)) == {"done"}
    assert t.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'app.u'::regclass AND attnum > 0 AND NOT attisdropped"
    ) == [("id",), ("a",)]
    assert t.execute("SELECT FROM pg_trigger WHERE tgrelid = 'app.u'::regclass") == []


def test_swapped_tables_are_told_apart(t):
    t.execute("CREATE TABLE public.u (id int, a int)")
    plan(t, column("d1"), target="public.t")
    plan(t, column("d2", "public.u"), target="public.u")
    t.execute("ALTER TABLE public.t RENAME TO x; ALTER TABLE public.u RENAME TO t; ALTER TABLE public.x RENAME TO u")
    rollback(t, 1)
    names = (
        "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
        "%s::regclass AND attnum > 0 AND NOT attisdropped"
    )
    assert t.value(names, ["public.u"]) == ["id", "a"]
    assert t.value(names, ["public.t"]) == ["id", "a", "d2"]
    rollback(t, 2)
    assert t.value(names, ["public.t"]) == ["id", "a"]


def test_new_table_under_the_old_name(t):
    """The table of the first change was set aside; the second change was made on the one that took its name."""
    plan(t, column(), target="public.t")
    t.execute("ALTER TABLE public.t RENAME TO t_old; CREATE TABLE public.t (id int, a int)")
    plan(t, column(), target="public.t")
    t.execute("INSERT INTO public.t VALUES (1, 1, 1); INSERT INTO public.t_old VALUES (2, 2, 2)")
    shown = call(t, "rollback_all_migrations")
    assert [s.statement for s in shown] == [
        "ALTER TABLE public.t DROP COLUMN d",
        "ALTER TABLE public.t_old DROP COLUMN d",
    ]
    call(t, "rollback_all_migrations", confirmation="I_UNDERSTAND_THIS_IS_DESTRUCTIVE", dry_run=False)
    assert t.execute("SELECT * FROM public.t") == [(1, 1)]
    assert t.execute("SELECT * FROM public.t_old") == [(2, 2)]


def test_two_columns_swapped(t):
    plan(t, column("one"), column("two"))
    t.execute(
        "ALTER TABLE public.t RENAME one TO x; ALTER TABLE public.t RENAME two TO one; ALTER TABLE "
        "public.t RENAME x TO two"
    )
    rollback(t, 1)
    assert "one" not in t.dump("-t", "public.t")


def test_rename_does_not_reach_into_literals(t):
    plan(
        t,
        made(
            "table",
            "public.n",
            "CREATE TABLE public.n ()",
            "COMMENT ON TABLE public.n IS 'n was public.n'; DROP TABLE public.n",
        ),
    )
    t.execute("ALTER TABLE public.n RENAME TO n2")
    rollback(t, 1)
    assert t.value("SELECT to_regclass('public.n2')") is None


@pytest.mark.parametrize(
    "inverse",
    [
        "SELECT 'public.t'::regclass",
        "SELECT pg_catalog.concat('public.t', ' ', 'public.t')",
        "DO $do$BEGIN PERFORM 'public.t'::regclass; END$do$",
        "DO $do$BEGIN EXECUTE 'SELECT ''public.t''::regclass'; END$do$",
        "SELECT 1 -- public.t",
        "/* public.t */ SELECT 1",
        "SELECT E'public.t'::regclass",
        "SELECT U&'public.t'::regclass",
    ],
)
def test_name_of_a_renamed_table_is_no_code(t, inverse):
    """The owner of a table chooses its name; it must not become SQL of the one who rolls back."""
    plan(t, made("table", "public.t", "ALTER TABLE public.t SET (fillfactor = 70)", inverse), target="public.t")
    connection = t.connect(autocommit=False)
    for quote in ("'", "''", "$do$", "$$", "\n", "*/", "\\'", "'::regclass"):
        name = f"x{quote}; CREATE TABLE public.planted (); SELECT 1 -- "
        connection.execute(sql.SQL("ALTER TABLE public.t RENAME TO {}").format(sql.Identifier(name)))
        # A refusal is fine, code of the name's owner is not.
        with contextlib.suppress(psycopg.Error), connection.transaction():
            rollback(connection, 1)
        assert connection.execute("SELECT to_regclass('public.planted')").fetchone() == (None,), quote
        connection.rollback()


def test_later_change_on_a_made_object_blocks(t):
    before = t.dump(schema_only=True)
    plan(t, column())
    plan(t, index(on="d"))
    plan(t, index("unrelated"))
    with refused("2BP01", "migration 1", "migration 2: test", "cascade"):
        rollback(t, 1)
    shown = rollback(t, 1, cascade=True, dry_run=True)
    assert [s.statement for s in shown] == ["DROP INDEX public.i", "ALTER TABLE public.t DROP COLUMN d"]
    rollback(t, 1, cascade=True)
    rollback(t, 3)
    assert t.dump(schema_only=True) == before


def test_dependence_is_followed_through_views(t):
    plan(t, column())
    plan(t, made("view", "public.v1", "CREATE VIEW public.v1 AS SELECT d FROM public.t", "DROP VIEW public.v1"))
    plan(t, made("view", "public.v2", "CREATE VIEW public.v2 AS SELECT d FROM public.v1", "DROP VIEW public.v2"))
    with refused("2BP01", "migration 3", "migration 2"):
        rollback(t, 1)
    with refused("2BP01", "migration 3"):
        rollback(t, 2)
    assert [s.migration_id for s in rollback(t, 1, cascade=True)] == [3, 2, 1]


def test_earlier_change_does_not_block(t):
    plan(t, index("early"))
    plan(t, column())
    assert statuses(rollback(t, 2)) == ["done"]


def test_undone_change_does_not_block(t):
    plan(t, column())
    plan(t, index(on="d"))
    rollback(t, 2)
    assert statuses(rollback(t, 1)) == ["done"]


def test_unknown_and_repeated(t):
    with refused("42704", "there is no migration 99"):
        rollback(t, 99)
    with refused("42704", "there is no migration named 'x'"):
        rollback(t, "x")
    with refused("42704"):
        rollback(t, None)
    plan(t, column())
    rollback(t, 1)
    assert rollback(t, 1) == []
    assert any("rolled back already" in notice for notice in t.notices)


def test_rollback_is_a_dry_run_by_default(t):
    plan(t, column())
    before = t.dump()
    assert statuses(call(t, "rollback_migration", migration_id=1)) == ["planned"]
    assert t.dump() == before


def test_failed_rollback_leaves_everything(t):
    apply(t, "m", ("CREATE TABLE public.x ()", "DROP TABLE public.x"), ("SELECT 1", "SELECT 1 / 0"))
    before = t.dump()
    with refused("22012", "undo run statement", "SELECT 1 / 0"):
        rollback(t, "m")
    assert t.dump() == before


def test_inverse_null_undoes_nothing(t):
    apply(t, "m", ("INSERT INTO public.t VALUES (1)", None))
    assert rollback(t, "m") == []
    assert t.execute("SELECT id FROM public.t") == [(1,)]
    assert t.value("SELECT state FROM lifecycle.migration") == "rolled_back"


def test_several_statements_in_one_step(t):
    before = t.dump(schema_only=True)
    apply(t, "m", ("CREATE TABLE public.x (); CREATE TABLE public.y ()", "DROP TABLE public.y; DROP TABLE public.x"))
    rollback(t, "m")
    assert t.dump(schema_only=True) == before


def test_fingerprint_of_a_changed_object_does_not_stop_a_rollback(t):
    plan(t, VIEW)
    t.execute("CREATE OR REPLACE VIEW public.v AS SELECT id, a FROM public.t")
    assert statuses(rollback(t, 1)) == ["done"]


REPLACED = (
    "CREATE VIEW public.shown AS SELECT 1 AS one",
    "DROP VIEW public.shown",
    "DROP VIEW public.shown; CREATE VIEW public.shown AS SELECT 2 AS two",
    "DROP VIEW public.shown; CREATE VIEW public.shown AS SELECT 1 AS one",
)


@pytest.mark.parametrize("cascade", [False, True])
def test_an_object_that_an_inverse_makes_anew_is_followed(database, cascade):
    """The first change knows the view by an oid that the rollback of the second one replaces."""
    plan(database, f"'make', 'view public.shown', '{REPLACED[0]}', '{REPLACED[1]}'")
    plan(database, f"'replace', 'view public.shown', '{REPLACED[2]}', '{REPLACED[3]}'")
    first, second = (row[0] for row in database.execute("SELECT migration_id FROM lifecycle.migration ORDER BY 1"))
    if cascade:
        database.execute(
            "SELECT * FROM lifecycle.rollback_all_migrations('I_UNDERSTAND_THIS_IS_DESTRUCTIVE', dry_run => false)"
        )
    else:
        rollback(database, second)
        assert database.execute("SELECT one FROM public.shown") == [(1,)]
        rollback(database, first)
    assert database.value("SELECT to_regclass('public.shown') IS NULL")


def test_the_plan_of_anothers_rollback_may_be_read_but_not_run(database, roles):
    alice = roles("alice")
    database.execute("SELECT * FROM lifecycle.grant_lifecycle_admin(%s)", [alice])
    database.execute(f"GRANT CREATE ON SCHEMA public TO {alice}")
    apply(database.connect(alice), "m", ("CREATE TABLE public.hers ()", "DROP TABLE public.hers"))
    statement = "SELECT status, statement FROM lifecycle.rollback_migration(migration_name => 'm', dry_run => %s)"
    assert database.execute(statement, [True]) == [("planned", "DROP TABLE public.hers")]
    with refused("42501", f"applied by role {alice}"):
        database.execute(statement, [False])
