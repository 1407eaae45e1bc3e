"""User code sees the caller's path; our own code never does, whatever a statement tries."""

from __future__ import annotations

import pytest
from psycopg import sql

from harness.calls import apply, plan, refused, rollback, statuses

TABLE = ("CREATE TABLE t (id int)", "DROP TABLE t")


@pytest.fixture
def app(database):
    """A connection with schema app on its path."""
    database.execute("CREATE SCHEMA app; CREATE SCHEMA evil")
    connection = database.connect()
    connection.execute("SET search_path = app, public")
    return connection


def test_statements_see_the_callers_path(database, app):
    apply(app, "m", TABLE)
    assert database.value("SELECT 'app.t'::regclass::text") == "app.t"
    stored = database.execute("SELECT search_path FROM lifecycle.migration")
    assert stored == [("app, public",)]


def test_rollback_uses_the_journaled_path(database, app):
    apply(app, "m", TABLE)
    rollback(database, "m")
    assert database.value("SELECT to_regclass('app.t')") is None


def test_rollback_under_another_path(database, app):
    database.execute("CREATE TABLE evil.t (id int)")
    apply(app, "m", TABLE)
    rollback(database, "m", search_path="evil")
    assert database.value("SELECT to_regclass('evil.t')") is None
    assert database.value("SELECT to_regclass('app.t')::text") == "app.t"


def test_path_as_an_argument(database, app):
    apply(app, "m", TABLE, search_path="evil")
    assert database.value("SELECT to_regclass('evil.t')::text") == "evil.t"


def test_triggers_with_unqualified_names(database, app):
    app.execute(
        "CREATE TABLE t (id int); CREATE TABLE log (id int);"
        "CREATE FUNCTION trace() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO log VALUES "
        "(new.id); RETURN new; END';"
        "CREATE TRIGGER trace BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION trace()"
    )
    apply(app, "m", ("INSERT INTO t VALUES (1)", "DELETE FROM t"))
    assert database.execute("SELECT id FROM app.log") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        "SET search_path = evil, pg_catalog",
        "SET LOCAL search_path = evil, pg_catalog",
        "SELECT set_config('search_path', 'evil, pg_catalog', false)",
        "SELECT set_config('search_path', 'evil, pg_catalog', true)",
        "DO $$BEGIN PERFORM set_config('search_path', 'evil, pg_catalog', false); END$$",
        "RESET search_path",
        "DISCARD PLANS; SET search_path = evil",
    ],
)
def test_statement_that_changes_the_path_is_refused(database, app, statement):
    with refused("22023", "changed search_path"):
        apply(app, "m", (statement, None), TABLE)
    assert app.execute("SHOW search_path").fetchone() == ("app, public",)
    assert database.value("SELECT count(*) FROM lifecycle.migration") == 0


def test_operators_on_the_path_are_not_called(database, app):
    """Every comparison that our functions make would be this one, were the path not pinned."""
    database.execute("CREATE TABLE evil.called (what text)")
    for left, right in (
        ("text", "text"),
        ("bigint", "bigint"),
        ("int", "int"),
        ("name", "name"),
        ("oid", "oid"),
        ("oid", "regclass"),
        ("name", "text"),
        ("bigint", "int"),
        ('"char"', '"char"'),
        ("boolean", "boolean"),
    ):
        for operator in ("=", "<>", "<", ">"):
            function = sql.Identifier("evil", f"{operator} {left} {right}")
            database.execute(
                sql.SQL(
                    "CREATE FUNCTION {f}({left}, {right}) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN "
                    "INSERT INTO evil.called VALUES ({what}); RETURN $1 OPERATOR(pg_catalog.{operator}) $2; END$$; "
                    "CREATE OPERATOR evil.{operator} (FUNCTION = {f}, LEFTARG = {left}, RIGHTARG = {right})"
                ).format(
                    f=function,
                    left=sql.SQL(left),
                    right=sql.SQL(right),
                    what=f"{left} {operator} {right}",
                    operator=sql.SQL(operator),
                )
            )
    app.execute("SET search_path = evil, pg_catalog, public")
    plan(
        app,
        "'a', 'table public.a', 'CREATE TABLE public.a ()', 'DROP TABLE public.a'",
        "'b', 'table public.b', 'CREATE TABLE public.b ()', 'DROP TABLE public.b', stage => 2",
    )
    app.execute("CALL lifecycle.run_pending()")
    apply(app, "m", ("CREATE TABLE public.t (id int)", "DROP TABLE public.t"))
    app.execute("SELECT * FROM lifecycle.verify_migrations()")
    app.execute("SELECT * FROM lifecycle.migration_history; SELECT * FROM lifecycle.settings")
    assert statuses(rollback(app, "m")) == ["done"]
    assert database.execute("SELECT DISTINCT what FROM evil.called") == []


def test_temporary_objects_do_not_shadow(database, app):
    """pg_temp comes last on a pinned path and is never searched for functions."""
    app.execute(
        "CREATE TEMP TABLE pg_class (oid oid); CREATE TEMP TABLE pg_locks (pid int); CREATE TEMP TABLE "
        "pg_roles (rolname name);"
        "CREATE TEMP TABLE migration (a int); CREATE DOMAIN pg_temp.regclass AS text"
    )
    apply(app, "m", TABLE)
    rollback(app, "m")
    assert database.execute("SELECT state FROM lifecycle.migration") == [("rolled_back",)]
