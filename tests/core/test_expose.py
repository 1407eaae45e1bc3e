"""expose: wrappers with the same arguments, and no way to borrow their owner's rights for one's own SQL."""

from __future__ import annotations

import pytest

from harness.calls import apply, call, refused, rollback, rows, statuses

ARGUMENTS = (
    "SELECT pg_get_function_identity_arguments(p.oid) FROM pg_proc AS p WHERE p.pronamespace = "
    "%s::regnamespace AND p.proname = %s ORDER BY 1"
)


def expose(place, names, **more):
    return call(place, "expose", into_schema="api", names=names, **more)


@pytest.fixture
def api(database):
    database.execute("CREATE SCHEMA api; GRANT USAGE ON SCHEMA api TO PUBLIC")
    return database


def test_wrappers_have_the_same_arguments(api):
    names = ["rollback_migration", "apply_migration", "verify_migrations", "setting", "end_migration", "confirm_step"]
    assert set(statuses(expose(api, names))) == {"done"}
    for name in names:
        assert api.execute(ARGUMENTS, ["api", name]) == api.execute(ARGUMENTS, ["lifecycle", name])


def test_wrapper_does_what_the_routine_does(api):
    expose(api, ["apply_migration", "rollback_migration", "setting", "begin_migration", "end_migration"])
    assert api.value("SELECT api.setting('lock_timeout')") == "500"
    api.execute(
        "SELECT * FROM api.apply_migration('m', ARRAY['CREATE TABLE public.x ()'], ARRAY['DROP TABLE public.x'])"
    )
    assert api.value("SELECT to_regclass('public.x')::text") == "x"
    api.execute("SELECT * FROM api.rollback_migration(migration_name => 'm', dry_run => false)")
    assert api.value("SELECT to_regclass('public.x')") is None


def test_wrapper_of_a_procedure_commits(api):
    expose(api, ["run_pending"])
    api.execute("CALL api.run_pending()")


def test_wrapper_passes_the_callers_path_on(api):
    expose(api, ["apply_migration"])
    connection = api.connect()
    connection.execute("SET search_path = api")
    rows(connection, "SELECT * FROM apply_migration('m', ARRAY['CREATE TABLE x ()'], ARRAY['DROP TABLE x'])")
    assert api.value("SELECT to_regclass('api.x')::text") == "api.x"


def test_only_whom_it_is_granted_to(api, roles):
    service, other = roles("service"), roles("other")
    expose(api, ["verify_migrations"], grant_to=[service], as_owner=True)
    rows(api.connect(service), "SELECT * FROM api.verify_migrations()")
    with refused("42501"):
        rows(api.connect(other), "SELECT * FROM api.verify_migrations()")


def test_without_as_owner_the_caller_needs_the_rights(api, roles):
    service = roles("service")
    expose(api, ["verify_migrations"], grant_to=[service])
    with refused("42501"):
        rows(api.connect(service), "SELECT * FROM api.verify_migrations()")


NOT_AS_OWNER = [
    "apply_migration",
    "rollback_migration",
    "rollback_to",
    "rollback_all_migrations",
    "prepare_uninstall",
    "run_pending",
    "run_pending_stage",
    "set_setting",
    "grant_lifecycle_admin",
    "grant_lifecycle_use",
    "expose",
    "begin_migration",
    "end_migration",
    "create_rollback_function",
    "confirm_step",
]


def test_as_owner_is_refused(api):
    """Their callers would run journaled statements, or SQL of their own, with the owner's rights."""
    before = api.dump(schema_only=True)
    for name in NOT_AS_OWNER:
        with refused("42501", f"lifecycle.{name}(", "as_owner => false"):
            expose(api, [name], as_owner=True)
    assert api.dump(schema_only=True) == before


def test_as_owner_wrappers_take_no_search_path(api):
    expose(
        api,
        ["ensure_future_partitions", "refresh_all_materialized_views", "verify_migrations"],
        as_owner=True,
        search_path="public",
    )
    found = api.execute(
        "SELECT p.proname, p.prosecdef, p.proconfig, 'search_path' = ANY (coalesce(p.proargnames, '{}')), p.prosrc "
        "FROM pg_proc AS p WHERE p.pronamespace = 'api'::regnamespace ORDER BY 1"
    )
    assert [f[:4] for f in found] == [
        ("ensure_future_partitions", True, ["search_path=pg_catalog, pg_temp"], False),
        ("refresh_all_materialized_views", True, ["search_path=pg_catalog, pg_temp"], False),
        ("verify_migrations", True, ["search_path=pg_catalog, pg_temp"], False),
    ]
    assert "search_path => 'public'" in found[0][4]


def test_service_role_refreshes_what_it_does_not_own(api, roles):
    service = roles("service")
    api.execute(
        "CREATE TABLE public.t (id int); CREATE MATERIALIZED VIEW public.m AS SELECT count(*) AS n FROM "
        "public.t; INSERT INTO public.t VALUES (1)"
    )
    expose(api, ["refresh_all_materialized_views"], grant_to=[service], as_owner=True)
    rows(api.connect(service), "SELECT * FROM api.refresh_all_materialized_views()")
    assert api.value("SELECT n FROM public.m") == 1


def test_unknown_names(api):
    for name in ("nothing", "_apply", "_execute", "pg_sleep", "Setting"):
        with refused("42883"):
            expose(api, [name])
    with refused("42704"):
        expose(api, ["setting"], grant_to=["nobody at all"])


def test_what_stands_is_skipped(api):
    expose(api, ["setting"])
    assert statuses(expose(api, ["setting", "verify_migrations"])) == ["skipped", "done"]
    rollback(api, 1)
    assert api.value("SELECT to_regproc('api.setting')") is None


def test_wrappers_go_with_the_extension(api):
    apply(api, "m", ("SELECT 1", None))
    expose(api, ["setting", "run_pending", "verify_migrations"])
    api.execute("DROP EXTENSION pg_lifecycle")
    assert api.execute("SELECT FROM pg_proc WHERE pronamespace = 'api'::regnamespace") == []


def test_as_owner_wrappers_take_no_types_of_their_callers(api, roles):
    """Such a type can have a cast to json: a function of the caller's, called with the rights of the owner."""
    service = roles("service")
    api.execute("CREATE TABLE public.t (id text PRIMARY KEY); CREATE SCHEMA s AUTHORIZATION " + service)
    call(api, "enable_soft_delete", target="public.t")
    expose(api, ["soft_delete"], grant_to=[service], as_owner=True)
    connection = api.connect(service)
    connection.execute(
        "CREATE TYPE s.k AS (id text); CREATE TABLE s.ran_as (name text); GRANT ALL ON s.ran_as TO PUBLIC;"
        "CREATE FUNCTION s.evil(s.k) RETURNS json LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO s.ran_as VALUES (current_user);"
        " RETURN '\"1\"'; END$$;"
        "CREATE CAST (s.k AS json) WITH FUNCTION s.evil(s.k)"
    )
    with refused("42883", "function api.soft_delete("):
        connection.execute("SELECT api.soft_delete('public.t'::regclass, key_value => ROW('1')::s.k)")
    assert rows(connection, "SELECT name FROM s.ran_as") == []
    assert rows(connection, "SELECT api.soft_delete('public.t', key => '1') ->> 'status'") == [("not_found",)]
