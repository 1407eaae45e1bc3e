"""Stages: what must not share a transaction is left pending and can be taken up at any time."""

from __future__ import annotations

from harness.calls import apply, call, plan, refused, rollback, rows, statuses
from harness.skips import requires


def table(name: str, stage: int = 1) -> str:
    return (
        f"'create', 'table public.{name}', 'CREATE TABLE public.{name} (id int)', 'DROP TABLE public.{name}', {stage}"
    )


def state(database, migration_id=1):
    return database.value("SELECT state FROM lifecycle.migration WHERE migration_id = %s", [migration_id])


def step_states(database, migration_id=1):
    query = "SELECT status FROM lifecycle.migration_step WHERE migration_id = %s ORDER BY step"
    return [row[0] for row in database.execute(query, [migration_id])]


def test_first_stage_runs_the_rest_is_pending(database):
    done = plan(database, table("a"), table("b"), table("c", 2), table("d", 3))
    assert statuses(done) == ["done", "done", "pending", "pending"]
    assert state(database) == "pending"
    assert any("steps pending: 2, CALL lifecycle.run_pending(1)" in notice for notice in database.notices)
    assert [s.statement for s in call(database, "pending_steps")] == [
        "CREATE TABLE public.c (id int)",
        "CREATE TABLE public.d (id int)",
    ]
    database.execute("CALL lifecycle.run_pending()")
    assert step_states(database) == ["done"] * 4
    assert state(database) == "applied"
    assert call(database, "pending_steps") == []
    rollback(database, 1)
    assert database.execute("SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


def test_stages_commit_one_by_one(database):
    plan(database, table("a"), table("b", 2), table("c", 3))
    database.execute("CALL lifecycle.run_pending(1)")
    ((a,), (b,), (c,)) = database.execute(
        "SELECT xmin::text FROM pg_class WHERE relname IN ('a', 'b', 'c') ORDER BY relname"
    )
    top = "SELECT count(DISTINCT date_trunc('microsecond', run_at)) FROM lifecycle.migration_step"
    assert len({a, b, c}) == 3
    assert database.value(top) == 3


def test_at_once(database):
    done = plan(database, table("a"), table("b", 2), at_once=True)
    assert statuses(done) == ["done", "done"]
    assert state(database) == "applied"


def test_plan_is_ordered_by_stage(database):
    shown = plan(database, table("b", 2), table("a"), dry_run=True)
    assert [(s.step, s.object) for s in shown] == [(1, "table public.a"), (2, "table public.b")]


def test_failing_stage_resumes_and_others_go_on(database):
    plan(database, table("a"), table("b", 2), table("c", 2), table("d", 3))
    plan(database, table("e"), table("f", 2))
    database.execute("CREATE TABLE public.c (other int)")
    with refused("P0001", "1 of the pending migrations", "migration 1, step 3", "42P07"):
        database.execute("CALL lifecycle.run_pending()")
    assert step_states(database, 1) == ["done", "pending", "failed", "pending"]
    assert step_states(database, 2) == ["done", "done"]
    assert database.value("SELECT to_regclass('public.b')") is None, "a stage is all or nothing"
    failed = database.execute("SELECT sqlstate, message FROM lifecycle.migration_step WHERE status = 'failed'")
    assert failed == [("42P07", 'step 3, create of table public.c: relation "c" already exists')]
    (shown,) = [s for s in call(database, "pending_steps") if s.status == "failed"]
    assert "already exists" in shown.note
    database.execute("DROP TABLE public.c")
    database.execute("CALL lifecycle.run_pending()")
    assert step_states(database, 1) == ["done"] * 4
    assert (
        database.execute("SELECT FROM lifecycle.migration_step WHERE sqlstate IS NOT NULL OR message IS NOT NULL") == []
    )
    assert state(database) == "applied"


def test_half_applied_migration_rolls_back(database):
    before = database.dump(schema_only=True)
    plan(database, table("a"), table("b", 2), table("c", 3))
    call(database, "run_pending_stage")
    assert [s.object for s in rollback(database, 1)] == ["table public.b", "table public.a"]
    assert database.dump(schema_only=True) == before
    assert call(database, "pending_steps") == []
    assert state(database) == "rolled_back"


def test_run_pending_stage(database):
    plan(database, table("a"), table("b", 2), table("c", 3))
    assert [s.object for s in call(database, "run_pending_stage")] == ["table public.c"]
    assert call(database, "run_pending_stage", migration_id=1) == []
    assert call(database, "run_pending_stage") == []


def test_run_pending_stage_raises_what_the_step_raises(database):
    plan(database, table("a"), table("b", 2))
    database.execute("CREATE TABLE public.b ()")
    with refused("42P07", "step 2"):
        call(database, "run_pending_stage")
    assert step_states(database) == ["done", "pending"]


def test_run_pending_of_one_migration(database):
    plan(database, table("a"), table("b", 2))
    plan(database, table("c"), table("d", 2))
    database.execute("CALL lifecycle.run_pending(2)")
    assert (state(database, 1), state(database, 2)) == ("pending", "applied")


def test_no_such_migration(database):
    for statement in ("CALL lifecycle.run_pending(999)", "SELECT * FROM lifecycle.run_pending_stage(999)"):
        with refused("42704", "there is no migration 999"):
            database.execute(statement)


def test_path_of_a_pending_stage_is_the_callers(database):
    database.execute("CREATE SCHEMA app")
    connection = database.connect()
    connection.execute("SET search_path = app")
    plan(
        connection,
        "'a', 'table app.a', 'CREATE TABLE a ()', 'DROP TABLE a'",
        "'b', 'table app.b', 'CREATE TABLE b ()', 'DROP TABLE b', stage => 2",
    )
    database.execute("CALL lifecycle.run_pending()")
    assert database.value("SELECT to_regclass('app.b')::text") == "app.b"
    rollback(database, 1)
    assert database.value("SELECT to_regclass('app.a')") is None


CONCURRENTLY = ("CREATE INDEX CONCURRENTLY i ON public.t (id)", "DROP INDEX public.i")


def test_top_level_statement_waits_with_all_that_follow(database):
    database.execute("CREATE TABLE public.t (id int)")
    done = apply(database, "m", ("SELECT 1", None), CONCURRENTLY, ("COMMENT ON INDEX public.i IS 'x'", None))
    assert statuses(done) == ["done", "pending", "pending"]
    (first, _) = call(database, "pending_steps")
    assert first.note.startswith("top level")
    with refused("P0001", "to be run by hand", CONCURRENTLY[0]):
        database.execute("CALL lifecycle.run_pending()")
    assert step_states(database) == ["done", "pending", "pending"]


def test_confirm_step(database):
    database.execute("CREATE TABLE public.t (id int)")
    apply(database, "m", CONCURRENTLY, ("COMMENT ON INDEX public.i IS 'x'", None))
    for wrong in (2, 3):
        with refused("42704"):
            database.execute("SELECT lifecycle.confirm_step(1, %s)", [wrong])
    for step in call(database, "pending_steps"):
        if step.note.startswith("top level"):
            database.execute(step.statement)
    database.execute("SELECT lifecycle.confirm_step(1, 1)")
    database.execute("CALL lifecycle.run_pending()")
    assert state(database) == "applied"
    assert database.value("SELECT obj_description('public.i'::regclass)") == "x"
    rollback(database, "m")
    assert database.value("SELECT to_regclass('public.i')") is None


def test_index_made_by_hand_is_recognised(database):
    database.execute("CREATE TABLE public.t (id int)")
    plan(
        database,
        f"'index', 'index public.i', '{CONCURRENTLY[0]}', '{CONCURRENTLY[1]}', top_level => true",
        "'comment', 'index public.i', 'COMMENT ON INDEX public.i IS ''x''', NULL, stage => 2",
    )
    assert state(database) == "pending"
    database.execute(CONCURRENTLY[0])
    database.execute("CALL lifecycle.run_pending()")
    assert state(database) == "applied"


def test_invalid_index_is_not_taken_for_done(database):
    database.execute("CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1), (1)")
    unique = "CREATE UNIQUE INDEX CONCURRENTLY i ON public.t (id)"
    plan(database, f"'index', 'index public.i', '{unique}', '{CONCURRENTLY[1]}', top_level => true")
    with refused("23505"):
        database.execute(unique)
    with refused("P0001"):
        database.execute("CALL lifecycle.run_pending()")
    assert state(database) == "pending"
    rollback(database, 1)
    assert database.value("SELECT to_regclass('public.i')") is None, "the invalid index is ours to drop"


@requires("dblink")
def test_top_level_through_dblink(database):
    database.execute("CREATE EXTENSION dblink; CREATE TABLE public.t (id int)")
    database.execute("SELECT lifecycle.set_setting('top_level_runner', 'dblink')")
    database.execute("SELECT lifecycle.set_setting('dblink_connection', %s)", [database.dsn()])
    apply(database, "m", CONCURRENTLY, ("COMMENT ON INDEX public.i IS 'x'", None))
    database.execute("CALL lifecycle.run_pending()")
    assert state(database) == "applied"
    assert database.value("SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.i'::regclass")
    assert database.value("SELECT public.dblink_get_connections()") is None


@requires("dblink")
def test_failure_through_dblink_is_journaled_and_resumes(database):
    database.execute("CREATE EXTENSION dblink; CREATE TABLE public.t (id int); INSERT INTO public.t VALUES (1), (1)")
    database.execute("SELECT lifecycle.set_setting('top_level_runner', 'dblink')")
    database.execute("SELECT lifecycle.set_setting('dblink_connection', %s)", [database.dsn()])
    unique = "CREATE UNIQUE INDEX CONCURRENTLY i ON public.t (id)"
    apply(database, "m", (unique, "DROP INDEX public.i"))
    with refused("P0001", "could not create unique index"):
        database.execute("CALL lifecycle.run_pending()")
    assert step_states(database) == ["failed"]
    database.execute("DROP INDEX public.i; TRUNCATE public.t")
    database.execute("CALL lifecycle.run_pending()")
    assert step_states(database) == ["done"]


def test_missing_dblink_says_so(database):
    database.execute("CREATE TABLE public.t (id int)")
    apply(database, "m", CONCURRENTLY)
    connection = database.connect()
    connection.execute("SET lifecycle.top_level_runner = 'dblink'")
    with refused("42883", "dblink is not installed", "CREATE EXTENSION dblink"):
        connection.execute("CALL lifecycle.run_pending()")


def test_top_level_statements_are_recognised(database):
    top = [
        "create index concurrently i on t (a)",
        "CREATE  UNIQUE\nINDEX CONCURRENTLY ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "REINDEX (VERBOSE) INDEX CONCURRENTLY i",
        "VACUUM t",
        "vacuum;",
        "ALTER SYSTEM SET x = 1",
        "-- a comment\nVACUUM t",
        "/* one */ /* two */ VACUUM",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "CREATE DATABASE d",
        "DROP SUBSCRIPTION s",
        "REINDEX DATABASE d",
        "REINDEX SYSTEM",
        "ALTER DATABASE d SET TABLESPACE x",
    ]
    plain = [
        "CREATE INDEX i ON t (a)",
        "CREATE TABLE vacuumed ()",
        "SELECT 'vacuum'",
        "-- VACUUM t\nSELECT 1",
        "CREATE TABLE concurrently (a int)",
        "COMMENT ON TABLE t IS 'create index concurrently'",
        "REINDEX TABLE t",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        "ALTER DATABASE d SET work_mem = '1GB'",
    ]
    wrong = [s for s in top + plain if rows(database, "SELECT lifecycle._is_top_level(%s)", [s]) != [(s in top,)]]
    assert wrong == []
