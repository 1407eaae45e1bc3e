"""Installing and removing: by an ordinary role, into a clean schema, and without a trace."""

from __future__ import annotations

import pytest

from harness.calls import apply, call, plan, refused, rows, statuses

OBJECTS = """
SELECT classid::regclass::text, (pg_identify_object(classid, objid, 0)).type, (pg_identify_object(classid,
    objid, 0)).identity
FROM (
    SELECT 'pg_class'::regclass AS classid, oid AS objid FROM pg_class
    UNION ALL SELECT 'pg_proc'::regclass, oid FROM pg_proc
    UNION ALL SELECT 'pg_type'::regclass, oid FROM pg_type
    UNION ALL SELECT 'pg_namespace'::regclass, oid FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_'
    UNION ALL SELECT 'pg_constraint'::regclass, oid FROM pg_constraint
    UNION ALL SELECT 'pg_trigger'::regclass, oid FROM pg_trigger
    UNION ALL SELECT 'pg_policy'::regclass, oid FROM pg_policy
    UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator
    UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
    UNION ALL SELECT 'pg_extension'::regclass, oid FROM pg_extension
    UNION ALL SELECT 'pg_default_acl'::regclass, oid FROM pg_default_acl
) AS all_objects
ORDER BY 1, 2, 3
"""


@pytest.fixture
def owner(database, roles, server):
    """A role with CREATE on an empty database, and that database."""
    empty = database.empty()
    name = roles("installer")
    server.execute(f"GRANT CREATE ON DATABASE {empty.name} TO {name}")
    return empty, empty.connect(name), name


def test_install_by_an_ordinary_role(owner):
    database, connection, name = owner
    connection.execute("CREATE EXTENSION pg_lifecycle")
    assert database.execute(
        "SELECT DISTINCT extowner::regrole::text FROM pg_extension WHERE extname = 'pg_lifecycle'"
    ) == [(name,)]
    assert database.execute("SELECT nspowner::regrole::text FROM pg_namespace WHERE nspname = 'lifecycle'") == [(name,)]
    connection.execute("CREATE SCHEMA app; SET search_path = app")
    assert statuses(apply(connection, "m", ("CREATE TABLE t (id int)", "DROP TABLE t"))) == ["done"]
    plan(
        connection,
        "'a', 'table app.a', 'CREATE TABLE app.a ()', 'DROP TABLE app.a'",
        "'b', 'table app.b', 'CREATE TABLE app.b ()', 'DROP TABLE app.b', stage => 2",
    )
    connection.execute("CALL lifecycle.run_pending()")
    call(connection, "prepare_uninstall", dry_run=False)
    connection.execute("DROP EXTENSION pg_lifecycle")
    assert rows(connection, "SELECT relname FROM pg_class WHERE relnamespace = 'app'::regnamespace") == []


def test_everything_belongs_to_the_extension(database):
    stray = database.execute(
        "SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = 'lifecycle'::regnamespace AND "
        "c.relkind IN ('r', 'v', 'S') "
        "AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = "
        "c.oid AND d.deptype = 'e') "
        "UNION ALL SELECT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'lifecycle'::regnamespace "
        "AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = "
        "p.oid AND d.deptype = 'e')"
    )
    assert [s for s in stray if not s[0].endswith("_seq")] == []


def test_schema_made_beforehand_is_refused(owner, roles, server):
    database, connection, _ = owner
    squatter = roles("squatter")
    server.execute(f"GRANT CREATE ON DATABASE {database.name} TO {squatter}")
    database.connect(squatter).execute("CREATE SCHEMA lifecycle")
    with refused("42P06", "lifecycle"):
        connection.execute("CREATE EXTENSION pg_lifecycle")
    with refused("42P06", "lifecycle"):
        database.execute("CREATE EXTENSION pg_lifecycle")


def test_objects_on_the_path_do_not_get_into_the_installation(owner):
    database, _, _ = owner
    database.execute(
        'CREATE SCHEMA evil; CREATE FUNCTION evil.format(text, VARIADIC "any") RETURNS text LANGUAGE '
        "internal AS 'text_format';"
        "CREATE FUNCTION evil.hit() RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'hit'; END$$;"
        "CREATE FUNCTION evil.eq(text, text) RETURNS boolean LANGUAGE plpgsql AS $$BEGIN RAISE 'hit'; END$$;"
        "CREATE OPERATOR evil.= (FUNCTION = evil.eq, LEFTARG = text, RIGHTARG = text)"
    )
    connection = database.connect()
    connection.execute("SET search_path = evil, pg_catalog, public")
    connection.execute("CREATE EXTENSION pg_lifecycle")
    assert (
        database.execute(
            "SELECT d.objid FROM pg_depend AS d JOIN pg_proc AS p ON d.refclassid = 'pg_proc'::regclass "
            "AND d.refobjid = p.oid "
            "WHERE p.pronamespace = 'evil'::regnamespace AND d.classid NOT IN ('pg_operator'::regclass)"
        )
        == []
    )


def test_removal_leaves_nothing(database, roles):
    empty = database.empty()
    empty.execute("CREATE TABLE public.t (id bigint PRIMARY KEY, note text); INSERT INTO public.t VALUES (1, 'x')")
    before, dump = empty.execute(OBJECTS), empty.dump()
    empty.execute("CREATE EXTENSION pg_lifecycle")
    alice = roles("alice")
    call(empty, "grant_lifecycle_admin", role_name=alice)
    call(empty, "grant_lifecycle_use", role_name=roles("web"))
    apply(empty, "m", ("CREATE TABLE public.x ()", "DROP TABLE public.x"))
    call(empty, "create_rollback_function", migration_name="m")
    call(empty, "expose", into_schema="public", names=["setting"], grant_to=[alice])
    call(empty, "enable_soft_delete", target="public.t")
    call(empty, "start_capture", target="public.t", consumer="reader")
    empty.execute("SELECT lifecycle.set_setting('lock_timeout', '300')")
    shown = call(empty, "prepare_uninstall")
    assert {s.status for s in shown} <= {"planned", "skipped"}
    call(empty, "prepare_uninstall", dry_run=False)
    empty.execute("DROP EXTENSION pg_lifecycle")
    assert empty.execute(OBJECTS) == before
    assert empty.dump() == dump


def test_removal_warns_of_what_is_left(database):
    database.execute("CREATE SCHEMA lifecycle_data; CREATE TABLE lifecycle_data.somebodys ()")
    call(database, "prepare_uninstall", dry_run=False)
    assert any(n.startswith("WARNING: schema lifecycle_data still holds objects") for n in database.notices)
    assert database.value("SELECT to_regclass('lifecycle_data.somebodys')::text") == "lifecycle_data.somebodys"


def test_tables_go_on_working_without_the_extension(database, roles):
    """A soft delete never becomes a real one, and generated triggers work or fail aloud."""
    web = roles("web")
    database.execute("CREATE TABLE public.t (id bigint PRIMARY KEY); INSERT INTO public.t VALUES (1), (2), (3)")
    call(database, "enable_soft_delete", target="public.t")
    call(database, "start_capture", target="public.t", consumer="reader")
    database.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON public.t, public.active_t TO {web}")
    database.execute("DROP EXTENSION pg_lifecycle CASCADE")
    connection = database.connect(web)
    connection.execute("DELETE FROM public.active_t WHERE id = 1")
    connection.execute("INSERT INTO public.t VALUES (4)")
    connection.execute("UPDATE public.t SET deleted_at = now() WHERE id = 2")
    assert database.execute("SELECT id, deleted_at IS NULL FROM public.t ORDER BY 1") == [
        (1, False),
        (2, False),
        (3, True),
        (4, True),
    ]
    assert rows(connection, "SELECT id FROM public.active_t ORDER BY 1") == [(3,), (4,)]
    database.execute("CREATE EXTENSION pg_lifecycle")
