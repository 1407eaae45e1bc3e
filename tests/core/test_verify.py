"""verify_migrations: each journaled object against the catalog."""

from __future__ import annotations

import pytest

from harness.calls import apply, plan, refused, rollback


def findings(database):
    return {row[1]: row for row in database.execute("SELECT * FROM lifecycle.verify_migrations()")}


MAKE = {
    "table public.t": ("CREATE TABLE public.t (id int, a int)", "DROP TABLE public.t"),
    "column public.t.d": ("ALTER TABLE public.t ADD d int DEFAULT 1", "ALTER TABLE public.t DROP d"),
    "index public.i": ("CREATE INDEX i ON public.t (a)", "DROP INDEX public.i"),
    "view public.v": ("CREATE VIEW public.v AS SELECT id FROM public.t", "DROP VIEW public.v"),
    "materialized view public.m": (
        "CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS one",
        "DROP MATERIALIZED VIEW public.m",
    ),
    "function public.f(bigint)": (
        "CREATE FUNCTION public.f(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1'",
        "DROP FUNCTION public.f(bigint)",
    ),
    "function public.tf()": (
        "CREATE FUNCTION public.tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
        "DROP FUNCTION public.tf()",
    ),
    "trigger g on public.t": (
        "CREATE TRIGGER g BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.tf()",
        "DROP TRIGGER g ON public.t",
    ),
    "table constraint c on public.t": (
        "ALTER TABLE public.t ADD CONSTRAINT c CHECK (a > 0)",
        "ALTER TABLE public.t DROP CONSTRAINT c",
    ),
    "policy p on public.t": ("CREATE POLICY p ON public.t USING (a > 0)", "DROP POLICY p ON public.t"),
    "column public.m.one": ("COMMENT ON COLUMN public.m.one IS 'x'", "COMMENT ON COLUMN public.m.one IS NULL"),
}

RENAME = {
    "table public.t": "ALTER TABLE public.t RENAME TO renamed",
    "column public.t.d": "ALTER TABLE public.t RENAME d TO renamed",
    "index public.i": "ALTER INDEX public.i RENAME TO renamed",
    "view public.v": "ALTER VIEW public.v RENAME TO renamed",
    "function public.f(bigint)": "ALTER FUNCTION public.f(bigint) RENAME TO renamed",
    "trigger g on public.t": "ALTER TRIGGER g ON public.t RENAME TO renamed",
    "table constraint c on public.t": "ALTER TABLE public.t RENAME CONSTRAINT c TO renamed",
    "policy p on public.t": "ALTER POLICY p ON public.t RENAME TO renamed",
}

CHANGE = {
    "table public.t": "ALTER TABLE public.t SET (fillfactor = 50)",
    "column public.t.d": "ALTER TABLE public.t ALTER d SET DEFAULT 2",
    "index public.i": "ALTER INDEX public.i SET (fillfactor = 50)",
    "view public.v": "CREATE OR REPLACE VIEW public.v AS SELECT id FROM public.t WHERE a = 1",
    "function public.f(bigint)": (
        "CREATE OR REPLACE FUNCTION public.f(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT $1 + 1'"
    ),
    "trigger g on public.t": "ALTER TABLE public.t DISABLE TRIGGER g",
    "policy p on public.t": "ALTER POLICY p ON public.t USING (a > 1)",
}


@pytest.fixture
def made(database):
    plan(database, *(f"'make', '{name}', $s${up}$s$, $s${down}$s$" for name, (up, down) in MAKE.items()))
    return database


@pytest.fixture
def in_turn(made):
    """Each of some names, with whatever was done for the one before taken back."""

    def each(names):
        for name in sorted(names):
            made.execute("BEGIN")
            yield name
            made.execute("ROLLBACK")

    return each


def test_all_is_ok(made):
    found = findings(made)
    assert set(found) == set(MAKE)
    assert {(f[0], f[2], f[4]) for f in found.values()} == {("ok", "ok", None)}


def test_renamed(made, in_turn):
    for name in in_turn(RENAME):
        made.execute(RENAME[name])
        severity, _, finding, detail, remedy = findings(made)[name]
        assert (severity, finding, remedy) == ("info", "renamed", None), name
        assert "it is now " in detail
        assert "renamed" in detail


def test_changed(made, in_turn):
    for name in in_turn(CHANGE):
        made.execute(CHANGE[name])
        severity, _, finding, _, remedy = findings(made)[name]
        assert (severity, finding) == ("warning", "changed"), name
        assert remedy.startswith("SELECT * FROM lifecycle.rollback_migration(1")
        assert {f[2] for n, f in findings(made).items() if n != name} == {"ok"}


def test_missing_and_its_remedy(made, in_turn):
    others_rest_on_it = {"table public.t", "function public.tf()", "materialized view public.m", "column public.m.one"}
    for name in in_turn(MAKE.keys() - others_rest_on_it):
        up, down = MAKE[name]
        made.execute(down)
        severity, _, finding, _, remedy = findings(made)[name]
        assert (severity, finding, remedy) == ("error", "missing", up)


def test_another_servers_rendering_is_not_compared(made):
    made.execute("UPDATE lifecycle.migration_step SET server_major = server_major - 1, fingerprint = 'other'")
    assert {f[2] for f in findings(made).values()} == {"ok"}


def test_pending_and_failed(database):
    plan(
        database,
        "'a', 'table public.a', 'CREATE TABLE public.a ()', 'DROP TABLE public.a'",
        "'b', 'table public.b', 'CREATE TABLE public.b ()', 'DROP TABLE public.b', stage => 2",
        "'c', 'table public.c', 'CREATE TABLE public.c ()', 'DROP TABLE public.c', stage => 3",
    )
    assert findings(database)["table public.b"][2] == "pending"
    database.execute("CREATE TABLE public.b ()")
    with refused("P0001"):
        database.execute("CALL lifecycle.run_pending()")
    found = findings(database)
    assert found["table public.b"][::2] == ("error", "failed", "CALL lifecycle.run_pending(1)")
    assert "42P07" in found["table public.b"][3]
    assert found["table public.c"][::2] == ("warning", "pending", "CALL lifecycle.run_pending(1)")


def test_what_was_taken_back_is_not_judged(made):
    rollback(made, 1)
    assert findings(made) == {}


def test_object_touched_twice_is_judged_once(database):
    database.execute("CREATE TABLE public.t (id int)")
    for size in (50, 60):
        plan(database, f"'set', 'table public.t', 'ALTER TABLE public.t SET (fillfactor = {size})', NULL")
    assert [f[2] for f in findings(database).values()] == ["ok"]


def test_statements_without_an_object_are_ok(database):
    apply(database, "m", ("SELECT 1", None))
    assert [f[2] for f in findings(database).values()] == ["ok"]


def test_restored_into_another_database(made):
    copy = made.empty()
    made.server.restore(copy.name, made.server.dump(made.name))
    assert {f[2] for f in findings(copy).values()} == {"ok"}
    copy.execute("DROP VIEW public.v")
    assert findings(copy)["view public.v"][2] == "missing"
