"""No step planted by one role ever runs with another's rights. Every attack here must fail."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from harness.calls import apply, call, plan, refused, rollback, rows

MIGRATION = (
    "INSERT INTO lifecycle.migration (name, feature, search_path, plan_hash, state) VALUES ('m', "
    "'user', 'public', 'x', 'pending')"
)
STEP = (
    "INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement, inverse) "
    "VALUES (%s, 1, 1, 'x', 'x', %s, %s)"
)


@pytest.fixture
def mallory(database, roles):
    """An administrator with bad intentions."""
    name = roles("mallory")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    call(database, "grant_lifecycle_admin", role_name=name)
    return name


@pytest.fixture
def alice(database, roles):
    """An honest administrator."""
    name = roles("alice")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    call(database, "grant_lifecycle_admin", role_name=name)
    return name


def is_superuser(database, role):
    return database.value("SELECT rolsuper FROM pg_roles WHERE rolname = %s", [role])


def escalation(role):
    """Leaves SET ROLE, does the deed, and covers its tracks."""
    return (
        f"DO $do$DECLARE r text := current_setting('role'); BEGIN RESET ROLE; ALTER ROLE {role} SUPERUSER; "
        "PERFORM set_config('role', r, false); END$do$"
    )


def everything(database, connection):
    """All that a superuser may innocently call."""
    for statement in (
        "CALL lifecycle.run_pending()",
        "SELECT * FROM lifecycle.run_pending_stage()",
        "SELECT * FROM lifecycle.rollback_all_migrations('I_UNDERSTAND_THIS_IS_DESTRUCTIVE', dry_run => false)",
        "SELECT * FROM lifecycle.prepare_uninstall(dry_run => false)",
        "SELECT * FROM lifecycle.verify_migrations()",
        *(f"CALL lifecycle.run_pending({i})" for i in range(1, 6)),
        *(f"SELECT * FROM lifecycle.rollback_migration({i}, dry_run => false)" for i in range(1, 6)),
    ):
        with contextlib.suppress(psycopg.Error):
            connection.execute(statement)


def test_planted_steps_do_not_run_as_a_superuser(database, mallory):
    connection = database.connect(mallory)
    apply(connection, "m", ("SELECT 1", escalation(mallory)))
    plan(connection, "'a', 'a', 'SELECT 1', NULL", f"'b', 'b', $q${escalation(mallory)}$q$, NULL, stage => 2")
    with refused("42501", f"applied by role {mallory}", f"Connect as {mallory}"):
        rollback(database, "m")
    with refused("42501", "SET ROLE makes no difference"):
        database.execute("CALL lifecycle.run_pending(3)")
    everything(database, database.connect())
    assert not is_superuser(database, mallory)


def test_set_role_is_no_barrier(database, mallory):
    connection = database.connect(mallory)
    apply(connection, "m", ("SELECT 1", escalation(mallory)))
    root = database.connect()
    root.execute(f"SET ROLE {mallory}")
    with refused("42501", f"in a session of {mallory}"):
        rollback(root, "m")
    everything(database, root)
    assert not is_superuser(database, mallory)


def test_run_pending_passes_over_the_steps_of_others(database, mallory):
    connection = database.connect(mallory)
    plan(connection, "'a', 'a', 'SELECT 1', NULL", f"'b', 'b', $q${escalation(mallory)}$q$, NULL, stage => 2")
    plan(
        database,
        "'a', 'table public.a', 'CREATE TABLE public.a ()', 'DROP TABLE public.a'",
        "'b', 'table public.b', 'CREATE TABLE public.b ()', 'DROP TABLE public.b', stage => 2",
    )
    database.execute("CALL lifecycle.run_pending()")
    assert not is_superuser(database, mallory)
    assert database.value("SELECT to_regclass('public.b')::text") == "b"


FORGERIES = [
    "INSERT INTO lifecycle.migration (feature, search_path, plan_hash, applied_by) VALUES ('x', '', '', 'postgres')",
    "INSERT INTO lifecycle.migration (feature, search_path, plan_hash, session_by) VALUES ('x', '', '', 'postgres')",
    "INSERT INTO lifecycle.migration (feature, search_path, plan_hash, origin) VALUES ('x', '', '', 'elsewhere')",
    "INSERT INTO lifecycle.migration (feature, search_path, plan_hash, applied_at) VALUES ('x', '', '', '2000-01-01')",
    "INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement, applied_by) "
    "VALUES (1, 99, 1, 'x', 'x', 'x', 'postgres')",
    (
        "INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement) VALUES "
        "(1, 99, 1, 'x', 'x', 'x')"
    ),
    "UPDATE lifecycle.migration_step SET inverse = 'x'",
    "UPDATE lifecycle.migration_step SET statement = 'x'",
    "UPDATE lifecycle.migration_step SET applied_by = 'postgres'",
    "UPDATE lifecycle.migration_step SET migration_id = 1",
    "UPDATE lifecycle.migration SET applied_by = 'postgres'",
    "UPDATE lifecycle.migration SET search_path = 'evil'",
    "UPDATE lifecycle.migration SET target = 'x'",
    "DELETE FROM lifecycle.migration",
    "DELETE FROM lifecycle.migration_step",
    "TRUNCATE lifecycle.migration CASCADE",
    "ALTER TABLE lifecycle.migration_step DISABLE ROW LEVEL SECURITY",
    "DROP POLICY migration_step_write ON lifecycle.migration_step",
    "INSERT INTO lifecycle.setting_definition VALUES ('x', 'x', 'x', 'x')",
    "INSERT INTO lifecycle.routine_purpose VALUES ('rollback_migration', 'public')",
    "COPY lifecycle.migration_step FROM PROGRAM 'true'",
]


def test_journal_cannot_be_written_in_anothers_name(database, mallory):
    connection = database.connect(mallory)
    rows(connection, MIGRATION)
    for statement in FORGERIES:
        with refused("42501"):
            rows(connection, statement)


def test_no_step_joins_anothers_migration(database, mallory, alice):
    apply(database.connect(alice), "alices", ("SELECT 1", "SELECT 2"))
    apply(database, "roots", ("SELECT 1", "SELECT 2"))
    connection = database.connect(mallory)
    for name in ("alices", "roots"):
        (theirs,) = database.execute("SELECT migration_id FROM lifecycle.migration WHERE name = %s", [name])[0]
        with refused("42501", "row-level security"):
            rows(connection, STEP.replace("(%s, 1,", "(%s, 99,"), [theirs, "SELECT 1", escalation(mallory)])


def test_no_migration_joins_anothers_group(database, mallory):
    root = database.connect(autocommit=False)
    rows(root, "SELECT lifecycle.begin_migration('group')")
    apply(root, "part", ("SELECT 1", "SELECT 2"))
    root.commit()
    (group,) = database.execute("SELECT migration_id FROM lifecycle.migration WHERE name = 'group'")[0]
    connection = database.connect(mallory)
    with refused("42501"):
        rows(
            connection,
            "INSERT INTO lifecycle.migration (feature, part_of, search_path, plan_hash) VALUES ('x', %s, '', '')",
            [group],
        )
    connection.execute(f"SET lifecycle.migration = '{group}'")
    with refused("42501", f"not an open group of role {mallory}"):
        apply(connection, "m", ("SELECT 1", escalation(mallory)))
    assert [s.status for s in rollback(database, "group")] == ["done"]
    assert not is_superuser(database, mallory)


@pytest.mark.parametrize("value", ["x", "-1", "99999", "1; DROP TABLE x"])
def test_spoofed_context_is_an_error(database, mallory, value):
    connection = database.connect(mallory)
    rows(connection, "SELECT set_config('lifecycle.migration', %s, false)", [value])
    with pytest.raises(psycopg.Error):
        apply(connection, "m", ("SELECT 1", None))


@pytest.mark.parametrize(
    "columns",
    [
        "status = 'pending', run_at = NULL",
        "address = ROW('pg_class'::regclass, 'public.precious'::regclass, 0)::lifecycle.object_address",
        "address = NULL",
        "fingerprint = 'x'",
        "made = false",
    ],
)
def test_steps_of_a_superuser_cannot_be_turned(database, mallory, columns):
    """Statements of a superuser that run again, or on another object, are an attack as well."""
    database.execute(
        "CREATE TABLE public.precious (id int); CREATE TABLE public.account (balance int); INSERT INTO "
        "public.account VALUES (1)"
    )
    plan(
        database,
        "'t', 'table public.t', 'CREATE TABLE public.t ()', 'DROP TABLE public.t'",
        "'x', 'x', 'UPDATE public.account SET balance = balance * 2', NULL",
    )
    before = database.execute("SELECT migration_step::text FROM lifecycle.migration_step ORDER BY 1")
    with contextlib.suppress(psycopg.Error):
        database.connect(mallory).execute(f"UPDATE lifecycle.migration_step SET {columns}")
    assert database.execute("SELECT migration_step::text FROM lifecycle.migration_step ORDER BY 1") == before


def test_migrations_of_a_superuser_cannot_be_revived(database, mallory):
    plan(database, "'t', 'table public.t', 'CREATE TABLE public.t ()', 'DROP TABLE public.t'")
    rollback(database, database.value("SELECT max(migration_id) FROM lifecycle.migration"))
    before = database.execute("SELECT migration_id, state FROM lifecycle.migration ORDER BY 1")
    with contextlib.suppress(psycopg.Error):
        database.connect(mallory).execute(
            "UPDATE lifecycle.migration SET state = 'applied', rolled_back_at = NULL, rolled_back_by = NULL"
        )
    assert database.execute("SELECT migration_id, state FROM lifecycle.migration ORDER BY 1") == before


def test_definer_function_cannot_plant_in_a_superusers_session(database, mallory):
    """Inside a SECURITY DEFINER function the session is a superuser's, but the writer is the function's owner."""
    connection = database.connect(mallory)
    connection.execute(
        "CREATE FUNCTION public.harmless() RETURNS void LANGUAGE sql SECURITY DEFINER AS $body$SELECT "
        "lifecycle.apply_migration("
        f"'m', ARRAY['SELECT 1'], ARRAY[$q${escalation(mallory)}$q$])$body$"
    )
    with contextlib.suppress(psycopg.Error):
        database.execute("SELECT public.harmless()")
    root = database.connect()
    root.execute(f"SET ROLE {mallory}")
    everything(database, root)
    everything(database, database.connect())
    assert not is_superuser(database, mallory)


def test_changes_made_through_a_definer_wrapper_are_their_owners(database, alice, roles):
    """expose(as_owner => true): a service role calls, the owner takes back."""
    owner = database.connect(alice)
    owner.execute(
        "CREATE FUNCTION public.change() RETURNS SETOF lifecycle.step_result LANGUAGE sql SECURITY DEFINER AS "
        "$$SELECT * FROM lifecycle.apply_migration('m', ARRAY['CREATE TABLE public.w ()'], ARRAY['DROP "
        "TABLE public.w'])$$"
    )
    service = database.connect(roles("service"))
    rows(service, "SELECT * FROM public.change()")
    assert database.value("SELECT to_regclass('public.w')::text") == "w"
    rollback(owner, "m")
    assert database.value("SELECT to_regclass('public.w')") is None


def test_owner_role_without_login(database, server, roles, alice):
    """A member works as the owning role by SET ROLE, and takes back in the same way."""
    server.execute(f"GRANT {alice} TO {(member := roles('member'))}")
    connection = database.connect(member)
    connection.execute(f"SET ROLE {alice}")
    apply(connection, "m", ("CREATE TABLE public.w ()", "DROP TABLE public.w"))
    assert database.execute("SELECT applied_by, session_by FROM lifecycle.migration WHERE name = 'm'") == [
        (alice, member)
    ]
    rollback(connection, "m")


def test_role_that_took_the_name_of_a_dropped_one(database, server, mallory):
    """Steps of a role that is gone are nobody's, even if a superuser is given that name later."""
    server.execute("CREATE ROLE jane LOGIN")
    try:
        call(database, "grant_lifecycle_admin", role_name="jane")
        jane = database.connect("jane")
        apply(jane, "m", ("SELECT 1", escalation(mallory)))
        jane.close()
        database.execute("DROP OWNED BY jane")
        server.execute("DROP ROLE jane; CREATE ROLE jane SUPERUSER LOGIN")
        everything(database, database.connect())
        everything(database, database.connect("jane"))
        assert not is_superuser(database, mallory)
    finally:
        database.close()
        server.execute("DROP ROLE jane")


def test_restored_journal_keeps_its_writers(database, mallory, server):
    connection = database.connect(mallory)
    apply(connection, "m", ("SELECT 1", escalation(mallory)))
    plan(connection, "'a', 'a', 'SELECT 1', NULL", f"'b', 'b', $q${escalation(mallory)}$q$, NULL, stage => 2")
    connection.close()
    copy = database.empty()
    server.restore(copy.name, server.dump(database.name))
    assert set(copy.execute("SELECT applied_by, session_by FROM lifecycle.migration WHERE name = 'm'")) == {
        (mallory, mallory)
    }
    with refused("42501", f"applied by role {mallory}"):
        rollback(copy, "m")
    everything(copy, copy.connect())
    assert not is_superuser(copy, mallory)


def test_superusers_migration_may_be_taken_back_by_an_admin_as_far_as_its_rights_go(database, mallory):
    plan(database, "'t', 'table public.t', 'CREATE TABLE public.t ()', 'DROP TABLE public.t'")
    (newest,) = database.execute("SELECT max(migration_id) FROM lifecycle.migration")[0]
    with refused("42501", "must be owner of table t"):
        rollback(database.connect(mallory), newest)
    database.execute(f"ALTER TABLE public.t OWNER TO {mallory}")
    rollback(database.connect(mallory), newest)
    assert database.execute(
        "SELECT state, rolled_back_by FROM lifecycle.migration WHERE migration_id = %s", [newest]
    ) == [("rolled_back", mallory)]


HOSTILE_OBJECTS = [
    "",
    "x",
    "table ",
    "table",
    'table "',
    "column x",
    "column a.b",
    "column a.b.c.d",
    "function f",
    "function f(",
    "type )",
    "trigger x",
    "policy on",
    "table constraint",
    "schema a.b",
    "table pg_catalog.pg_class; DROP TABLE x",
    "function f(nosuch)",
    "table a.b.c.d.e",
    "column 'x'",
    "type public.",
    "index \x01\x02",
    "sequence \\",
    "table 1",
]


def test_hostile_object_names_stop_nobody(database, mallory):
    """An administrator may write what he likes into his own steps; it must not break the checks of others."""
    connection = database.connect(mallory)
    for object_name in HOSTILE_OBJECTS:
        (migration,) = rows(connection, MIGRATION.replace("'m'", "NULL") + " RETURNING migration_id")[0]
        rows(connection, STEP.replace("'x', 'x',", "'x', %s,"), [migration, object_name, "SELECT 1", "SELECT 1"])
        rows(
            connection,
            (
                "UPDATE lifecycle.migration_step SET status = 'done', run_at = now(), address = ROW(1259, "
                "1259, 0) WHERE migration_id = %s"
            ),
            [migration],
        )
    plan(database, "'t', 'table public.t', 'CREATE TABLE public.t ()', 'DROP TABLE public.t'")
    assert ("table public.t", "ok") in database.execute("SELECT object, finding FROM lifecycle.verify_migrations()")
    rollback(database, database.value("SELECT max(migration_id) FROM lifecycle.migration"))


@pytest.mark.parametrize(
    "address", ["(0,0,0)", "(1259,0,-1)", "(1259,1259,9999)", "(999999,1,0)", "(2600,1,0)", "(1247,1247,5)", "(,,)"]
)
def test_hostile_addresses_stop_nobody(database, mallory, address):
    connection = database.connect(mallory)
    (migration,) = rows(connection, MIGRATION + " RETURNING migration_id")[0]
    rows(connection, STEP, [migration, "SELECT 1", "SELECT 1"])
    rows(
        connection,
        "UPDATE lifecycle.migration_step SET status = 'done', run_at = now(), made = true, "
        f"address = '{address}'::lifecycle.object_address WHERE migration_id = %s",
        [migration],
    )
    plan(database, "'t', 'table public.t', 'CREATE TABLE public.t ()', 'DROP TABLE public.t'")
    assert ("table public.t", "ok") in database.execute("SELECT object, finding FROM lifecycle.verify_migrations()")
    rollback(database, database.value("SELECT max(migration_id) FROM lifecycle.migration"))


def test_hostile_feature_name(database, mallory):
    """The feature picks the hook that edits a rollback; it is a name and never code."""
    connection = database.connect(mallory)
    for feature in ("x(); SELECT 1 --", 'x"(bigint)', "", "x" * 200, "x, y"):
        (migration,) = rows(
            connection,
            (
                "INSERT INTO lifecycle.migration (feature, search_path, plan_hash) VALUES (%s, '', '') "
                "RETURNING migration_id"
            ),
            [feature],
        )[0]
        assert rollback(connection, migration) == []


def test_hostile_search_path_of_a_migration(database, mallory):
    connection = database.connect(mallory)
    for path in ("public; DROP TABLE x", "'", "pg_temp, evil", ""):
        connection.execute("BEGIN")
        with contextlib.suppress(psycopg.Error):
            apply(connection, "m", ("SELECT 1", "SELECT 1"), search_path=path)
        connection.execute("ROLLBACK")


def test_admin_cannot_point_a_superusers_statements_elsewhere(database, mallory):
    """The connection that dblink opens for a superuser is not an administrator's to choose."""
    connection = database.connect(mallory)
    rows(connection, "SELECT lifecycle.set_setting('lock_timeout', '300')")
    with refused("42501"):
        rows(connection, "SELECT lifecycle.set_setting('dblink_connection', 'host=evil.example')")
    with refused("42501"):
        rows(
            connection,
            "INSERT INTO lifecycle.setting_value (name, value, changed_by) VALUES ('lock_attempts', '1', 'postgres')",
        )


def test_data_schema_of_somebody_else_is_refused(database, roles, server):
    squatter = roles("squatter")
    server.execute(f"GRANT CREATE ON DATABASE {database.name} TO {squatter}")
    database.connect(squatter).execute("CREATE SCHEMA lifecycle_data")
    with refused("42501", "lifecycle_data"):
        call(database, "grant_lifecycle_admin", role_name=squatter)
