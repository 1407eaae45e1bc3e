"""Who may do what: nobody anything until it is granted, and then no more than that."""

from __future__ import annotations

import pytest

from harness.calls import apply, call, plan, refused, rollback, rows, statuses

# Routines that everybody may execute. Each one needs a reason.
PUBLIC: set[str] = set()

TABLE = ("CREATE TABLE public.note (id int)", "DROP TABLE public.note")


@pytest.fixture
def admin(database, roles):
    """A role that may make changes and create in public."""
    name = roles("admin")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    call(database, "grant_lifecycle_admin", role_name=name)
    return name


def test_public_may_execute_nothing(database):
    found = database.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p CROSS JOIN LATERAL "
        "aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a "
        "WHERE p.pronamespace IN ('lifecycle'::regnamespace, to_regnamespace('lifecycle_data')) AND a.grantee = 0"
    )
    assert {row[0] for row in found} == PUBLIC


def test_public_has_no_other_rights(database, roles):
    nobody = database.connect(roles("nobody"))
    for statement in (
        "SELECT * FROM lifecycle.migration",
        "SELECT * FROM lifecycle.settings",
        "SELECT lifecycle.setting('lock_timeout')",
        "CALL lifecycle.run_pending()",
        "SELECT NULL::lifecycle.plan_step",
    ):
        with refused("42501"):
            rows(nobody, statement)
    granted = database.execute(
        "SELECT c.relname, a.privilege_type FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a "
        "WHERE c.relnamespace = 'lifecycle'::regnamespace AND a.grantee = 0"
    )
    assert granted == []


def test_every_routine_pins_its_path(database):
    """A procedure that commits may have no SET clause; it is a thin driver."""
    found = database.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p WHERE p.pronamespace = 'lifecycle'::regnamespace "
        "AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false) "
        r"AND NOT (p.prokind = 'p' AND p.prosrc ~ '\mCOMMIT;')"
    )
    assert found == []


def test_no_routine_runs_with_its_owners_rights(database):
    found = database.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc AS p "
        "WHERE p.pronamespace = 'lifecycle'::regnamespace AND p.prosecdef"
    )
    assert found == []


def test_views_use_the_callers_rights(database):
    found = database.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'lifecycle'::regnamespace AND relkind = 'v' "
        "AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)"
    )
    assert found == []


def test_admin_changes_what_it_owns(database, admin):
    connection = database.connect(admin)
    assert statuses(apply(connection, "m", TABLE)) == ["done"]
    assert database.execute("SELECT applied_by, session_by FROM lifecycle.migration WHERE name = 'm'") == [
        (admin, admin)
    ]
    plan(
        connection,
        "'a', 'table public.a', 'CREATE TABLE public.a ()', 'DROP TABLE public.a'",
        "'b', 'table public.b', 'CREATE TABLE public.b ()', 'DROP TABLE public.b', stage => 2",
    )
    connection.execute("CALL lifecycle.run_pending()")
    assert statuses(rollback(connection, "m")) == ["done"]
    assert rows(connection, "SELECT lifecycle.set_setting('lock_timeout', '300')") == [("300",)]


def test_admin_changes_nothing_else(database, admin):
    database.execute("CREATE TABLE public.others (id int)")
    connection = database.connect(admin)
    with refused("42501", "must be owner of table others"):
        apply(connection, "m", ("ALTER TABLE public.others ADD a int", None))
    for name in ("grant_lifecycle_admin", "grant_lifecycle_use"):
        with refused("42501"):
            call(connection, name, role_name=admin)
    with refused("42501"):
        rows(connection, "CREATE FUNCTION lifecycle.f() RETURNS int LANGUAGE sql AS 'SELECT 1'")


def test_role_without_grant_is_told_what_to_ask_for(database, roles):
    use = roles("web")
    call(database, "grant_lifecycle_use", role_name=use)
    database.execute(f"GRANT EXECUTE ON ALL ROUTINES IN SCHEMA lifecycle TO {use}")
    with refused("42501", "may not make changes with pg_lifecycle", f"lifecycle.grant_lifecycle_admin('{use}')"):
        apply(database.connect(use), "m", ("SELECT 1", None))


def test_use_reads_and_no_more(database, roles):
    use = roles("web")
    call(database, "grant_lifecycle_use", role_name=use)
    connection = database.connect(use)
    assert rows(connection, "SELECT lifecycle.setting('lock_timeout')") == [("500",)]
    assert rows(connection, "SELECT count(*) FROM lifecycle.migration_history") == [(1,)]
    for statement in (
        "SELECT lifecycle.set_setting('lock_timeout', '1')",
        "SELECT * FROM lifecycle.rollback_migration(1)",
        "INSERT INTO lifecycle.setting_value VALUES ('lock_timeout', '1')",
        "CALL lifecycle.run_pending()",
        "INSERT INTO lifecycle.migration (feature, search_path, plan_hash) VALUES ('x', '', '')",
        "DELETE FROM lifecycle.migration",
        "UPDATE lifecycle.migration SET state = 'pending'",
    ):
        with refused("42501"):
            rows(connection, statement)


@pytest.mark.parametrize("name", ["grant_lifecycle_admin", "grant_lifecycle_use"])
def test_grant_twice_is_once(database, roles, name):
    role = roles("grantee")
    before = database.dump(schema_only=True)
    call(database, name, role_name=role)
    once = database.dump(schema_only=True)
    assert set(statuses(call(database, name, role_name=role))) == {"skipped"}
    assert database.dump(schema_only=True) == once
    rollback(database, 1)
    assert database.dump(schema_only=True) == before


def test_grants_of_two_kinds_do_not_take_each_other_away(database, roles):
    role = roles("grantee")
    call(database, "grant_lifecycle_use", role_name=role)
    use = database.dump(schema_only=True)
    call(database, "grant_lifecycle_admin", role_name=role)
    rollback(database, 2)
    assert database.dump(schema_only=True) == use


def test_grant_to_nobody(database):
    for role in ("no such role", None, "public"):
        with refused("42704"):
            call(database, "grant_lifecycle_admin", role_name=role)


def test_grant_to_a_role_that_is_gone_does_not_block_uninstalling(database, server):
    server.execute("CREATE ROLE short_lived")
    call(database, "grant_lifecycle_admin", role_name="short_lived")
    database.execute("DROP OWNED BY short_lived")
    server.execute("DROP ROLE short_lived")
    call(database, "prepare_uninstall", dry_run=False)
    assert database.value("SELECT count(*) FROM lifecycle.migration WHERE state <> 'rolled_back'") == 0


def test_grant_rolls_back_while_the_data_schema_is_used(database, admin):
    database.execute(f"GRANT CREATE ON SCHEMA lifecycle_data TO {admin}")
    plan(database, "'t', 'table lifecycle_data.q', 'CREATE TABLE lifecycle_data.q ()', 'DROP TABLE lifecycle_data.q'")
    assert "done" in statuses(rollback(database, 1))
    assert database.value("SELECT to_regclass('lifecycle_data.q')::text") == "lifecycle_data.q"
    rollback(database, 2)
    assert database.value("SELECT to_regnamespace('lifecycle_data')") is None
