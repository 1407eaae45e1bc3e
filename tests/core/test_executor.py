"""The executor: what the plan shows is what runs, all of it or nothing."""

from __future__ import annotations

from harness.calls import apply, call, plan, refused, rollback, statuses

TABLE = ("CREATE TABLE public.note (id int)", "DROP TABLE public.note")
INDEX = ("CREATE INDEX note_id ON public.note (id)", "DROP INDEX public.note_id")


def test_dry_run_changes_nothing(database):
    before = database.dump()
    shown = apply(database, "m", TABLE, INDEX, dry_run=True)
    assert statuses(shown) == ["planned", "planned"]
    assert [s.migration_id for s in shown] == [None, None]
    assert [s.statement for s in shown] == [TABLE[0], INDEX[0]]
    assert database.dump() == before
    assert any("dry run: nothing was changed" in notice for notice in database.notices)


def test_dry_run_and_execution_have_one_hash(database):
    shown = apply(database, "m", TABLE, INDEX, dry_run=True)
    done = apply(database, "m", TABLE, INDEX)
    assert statuses(done) == ["done", "done"]
    assert {s.plan_hash for s in shown} == {s.plan_hash for s in done}
    stored = database.execute("SELECT plan_hash FROM lifecycle.migration")
    assert stored == [(shown[0].plan_hash,)]


def test_statements_of_a_dry_run_are_the_script(database):
    for step in apply(database, "m", TABLE, INDEX, dry_run=True):
        database.execute(step.statement)
    assert database.value("SELECT to_regclass('public.note_id')::text") == "note_id"


def test_what_stands_is_skipped(database):
    database.execute("CREATE TABLE public.t (id int)")
    done = plan(
        database,
        "'create table', 'table public.t', NULL, note => 'stands'",
        "'add column', 'column public.t.a', 'ALTER TABLE public.t ADD a int', 'ALTER TABLE public.t DROP a'",
    )
    assert statuses(done) == ["skipped", "done"]
    assert done[0].note == "stands"
    assert database.execute("SELECT step, object FROM lifecycle.migration_step") == [(2, "column public.t.a")]


def test_plan_of_skipped_steps_is_not_journaled(database):
    done = plan(database, "'create table', 'table public.t', NULL")
    assert statuses(done) == ["skipped"]
    assert done[0].migration_id is None
    assert database.execute("SELECT * FROM lifecycle.migration") == []


def test_second_application_is_skipped(database):
    apply(database, "m", TABLE)
    before = database.dump()
    assert statuses(apply(database, "m", TABLE)) == ["skipped"]
    assert database.dump() == before


def test_error_says_where_and_leaves_nothing(database):
    before = database.dump()
    with refused("22012", "step 2", "run statement of migration m", "Statement: SELECT 1 / 0", "by zero", "taken back"):
        apply(database, "m", TABLE, ("SELECT 1 / 0", None))
    assert database.dump().replace("migration_migration_id_seq', 1, true", "") == before.replace(
        "migration_migration_id_seq', 1, false", ""
    )


def test_error_keeps_detail_and_hint_of_the_statement(database):
    statement = "DO $$BEGIN RAISE 'no' USING ERRCODE = 'XX123', DETAIL = 'because', HINT = 'do so'; END$$"
    with refused("XX123", "because", "do so", "step 1"):
        apply(database, "m", (statement, None))


def test_expected_plan(database):
    shown = apply(database, "m", TABLE, INDEX, dry_run=True)
    assert statuses(apply(database, "m", TABLE, INDEX, expected_plan=shown[0].plan_hash)) == ["done", "done"]


def test_expected_plan_shows_what_differs(database):
    reviewed = apply(database, "m", TABLE, INDEX, dry_run=True)[0].plan_hash
    other = ("CREATE INDEX note_id ON public.note (id DESC)", INDEX[1])
    with refused("55000", "step 2 is new or changed: " + other[0], "step 2 of the reviewed plan is gone or changed"):
        apply(database, "m", TABLE, other, expected_plan=reviewed)
    with refused("55000", "step 2 of the reviewed plan is gone"):
        apply(database, "m", TABLE, expected_plan=reviewed)
    with refused("55000", "nothing was done"):
        apply(database, "m", INDEX, TABLE, expected_plan=reviewed)
    with refused("55000"):
        apply(database, "m", TABLE, INDEX, expected_plan="nonsense")
    assert database.value("SELECT to_regclass('public.note')") is None


def test_expected_plan_covers_the_inverse(database):
    reviewed = apply(database, "m", TABLE, dry_run=True)[0].plan_hash
    with refused("55000"):
        apply(database, "m", (TABLE[0], "DROP TABLE public.other"), expected_plan=reviewed)


def test_expected_plan_of_a_rollback(database):
    apply(database, "m", TABLE)
    shown = rollback(database, "m", dry_run=True)
    with refused("55000"):
        rollback(database, "m", expected_plan="0-0")
    assert statuses(rollback(database, "m", expected_plan=shown[0].plan_hash)) == ["done"]


def test_long_plans_have_a_hash_without_digits(database):
    pairs = [(f"SELECT {n}", None) for n in range(202)]
    reviewed = apply(database, "m", *pairs, dry_run=True)[0].plan_hash
    assert "-" not in reviewed
    with refused("55000", "The plan has 201 steps"):
        apply(database, "m", *pairs[1:], expected_plan=reviewed)


def test_isolation_levels(database):
    for level in ("REPEATABLE READ", "SERIALIZABLE"):
        connection = database.connect()
        connection.execute(f"SET default_transaction_isolation = '{level.lower()}'")
        with refused("25000", level.lower()):
            apply(connection, "m", TABLE)
        assert statuses(apply(connection, "m", TABLE, dry_run=True)) == ["planned"]
        connection.close()


def test_isolation_level_of_pending_stages(database):
    plan(
        database,
        "'a', 'table public.a', 'CREATE TABLE public.a ()', 'DROP TABLE public.a'",
        "'b', 'table public.b', 'CREATE TABLE public.b ()', 'DROP TABLE public.b', stage => 2",
    )
    connection = database.connect()
    connection.execute("SET default_transaction_isolation = 'repeatable read'")
    for statement in (
        "CALL lifecycle.run_pending()",
        "SELECT * FROM lifecycle.run_pending_stage()",
        "SELECT * FROM lifecycle.rollback_migration(1, dry_run => false)",
    ):
        with refused("25000"):
            connection.execute(statement)
    assert database.value("SELECT to_regclass('public.b')") is None


def test_steps_are_journaled_with_the_object_they_made(database):
    plan(database, "'create table', 'table public.t', 'CREATE TABLE public.t (id int)', 'DROP TABLE public.t'")
    stored = database.execute(
        "SELECT status, made, (address).object_id = 'public.t'::regclass, fingerprint IS NOT NULL, server_major, "
        "applied_by, sqlstate FROM lifecycle.migration_step"
    )
    me = database.value("SELECT current_user")
    assert stored == [("done", True, True, True, database.server.major, me, None)]


def test_made_is_false_for_what_stood_before(database):
    database.execute("CREATE TABLE public.t (id int)")
    plan(
        database,
        "'set option', 'table public.t', 'ALTER TABLE public.t SET (fillfactor = 50)', "
        "'ALTER TABLE public.t RESET (fillfactor)'",
    )
    assert database.execute("SELECT made FROM lifecycle.migration_step") == [(False,)]


def test_migration_names(database):
    apply(database, "m", TABLE)
    with refused("42710", "rollback_migration('m'"):
        apply(database, "m", INDEX)
    for bad in ("", "  ", None):
        with refused("22023"):
            apply(database, bad, INDEX)
    rollback(database, "m")
    assert statuses(apply(database, "m", TABLE)) == ["done"]


def test_up_and_down_must_match(database):
    for up, down in (
        ("'{}'", "'{}'"),
        ("'{a}'", "'{a,b}'"),
        ("'{NULL}'", "'{a}'"),
        ("NULL", "NULL"),
        ("'{a}'", "NULL"),
    ):
        with refused("22023", "up has"):
            database.execute(f"SELECT lifecycle.apply_migration('m', {up}, {down})")


def test_statement_that_changes_the_role_is_refused(database, roles):
    alice = roles("alice")
    connection = database.connect()
    for statement in (f"SET ROLE {alice}", f"SET SESSION AUTHORIZATION {alice}", f"SET LOCAL ROLE {alice}"):
        with refused("22023", "role"):
            apply(connection, "m", (statement, None), ("SELECT 1", None))
        assert connection.execute("SELECT current_user = session_user, session_user <> %s", [alice]).fetchone() == (
            True,
            True,
        )


def test_settings_of_the_session_are_put_back(database):
    connection = database.connect()
    connection.execute("SET lock_timeout = '7s'; SET search_path = public, pg_catalog")
    apply(connection, "m", ("CREATE TABLE t (id int)", "DROP TABLE t"))
    for _ in range(2):
        assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)
        assert connection.execute("SHOW search_path").fetchone() == ("public, pg_catalog",)
        with refused("42P07"):
            apply(connection, "n", ("CREATE TABLE t (id int)", "DROP TABLE t"))
    connection.autocommit = False
    apply(connection, "o", ("CREATE TABLE u (id int)", "DROP TABLE u"))
    assert connection.execute("SHOW lock_timeout").fetchone() == ("7s",)
    assert connection.execute("SHOW search_path").fetchone() == ("public, pg_catalog",)


def test_history(database):
    apply(database, "m", TABLE)
    rollback(database, "m")
    plan(database, "'a', 'table public.a', 'CREATE TABLE public.a ()', 'DROP TABLE public.a'", target=None)
    history = database.execute(
        "SELECT name, feature, state, steps, steps_pending FROM lifecycle.migration_history ORDER BY 1"
    )
    assert history == [("m", "user", "rolled_back", 1, 0), ("test #2", "test", "applied", 1, 0)]


def test_rollback_function(database):
    apply(database, "it's", TABLE)
    made = call(database, "create_rollback_function", migration_name="it's")
    assert statuses(made) == ["done"]
    assert statuses(call(database, "create_rollback_function", migration_name="it's")) == ["skipped"]
    shown = database.execute("""SELECT status FROM public."rollback_it's"()""")
    assert shown == [("planned",)]
    assert database.value("SELECT to_regclass('public.note')::text") == "note"
    assert database.execute("""SELECT status FROM public."rollback_it's"(dry_run => false)""") == [("done",)]
    assert database.value("SELECT to_regclass('public.note')") is None
    with refused("42704", "no migration named 'nothing'"):
        call(database, "create_rollback_function", migration_name="nothing")


def test_rollback_function_goes_with_the_extension(database):
    apply(database, "m", TABLE)
    call(database, "create_rollback_function", migration_name="m")
    database.execute("DROP EXTENSION pg_lifecycle")
    assert database.value("SELECT to_regproc('public.rollback_m')") is None


def test_a_target_that_is_gone(database):
    with refused("42P01", "there is no relation with oid 999999"):
        call(database, "enable_soft_delete", target="999999")
