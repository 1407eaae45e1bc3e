"""Locks: short, retried, never the cause of a deadlock error in an application, put back afterwards."""

from __future__ import annotations

import time

import pytest

from harness.calls import call, refused

STEP = (
    "ARRAY[lifecycle._step('add column', 'column public.a.c', 'ALTER TABLE public.a ADD COLUMN c int', "
    "'ALTER TABLE public.a DROP COLUMN c')]"
)


def change(relations="ARRAY['public.a'::regclass]", plan=STEP):
    """What every change function does: lock, plan, run."""
    return (
        f"SELECT lifecycle._lock({relations}, 'ACCESS EXCLUSIVE', false); "
        f"SELECT * FROM lifecycle._apply('test', 'public.a', {plan}, false, NULL)"
    )


@pytest.fixture
def two(database):
    database.execute("CREATE TABLE public.a (id int); CREATE TABLE public.b (id int); INSERT INTO public.a VALUES (1)")
    return database


def patient(session, timeout="100", attempts="3", delay="20"):
    session.run(
        f"SET lifecycle.lock_timeout = '{timeout}'; SET lifecycle.lock_attempts = '{attempts}'; "
        f"SET lifecycle.lock_retry_delay = '{delay}'"
    )
    return session


def test_waits_retries_and_gives_up_naming_object_and_holder(two, session):
    app, ours = session(two, name="app"), patient(session(two, name="ours"))
    app.run("BEGIN; SELECT * FROM public.a")
    begun = time.monotonic()
    with refused(
        "55P03",
        "could not lock public.a in 3 tries",
        f"process {app.pid} holds AccessShareLock on public.a",
        "lock_attempts",
    ):
        ours.run(change())
    assert 0.25 < time.monotonic() - begun < 3
    assert two.value("SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.a'::regclass AND attname = 'c'") == 0
    assert two.value("SELECT count(*) FROM lifecycle.migration") == 0


def test_goes_on_when_the_lock_is_free(two, session, observer):
    app, ours = session(two, name="app"), patient(session(two, name="ours"), attempts="100")
    app.run("BEGIN; SELECT * FROM public.a")
    ours.start(change())
    assert observer.settle(ours, [app]) == "blocked"
    app.run("COMMIT")
    assert ours.result()[0][6] == "done"


def test_nobody_queues_longer_than_one_try(two, session):
    """A reader that comes after us is let through between two tries."""
    app, ours, reader = (
        session(two, name="app"),
        patient(session(two, name="ours"), timeout="200", attempts="1000"),
        session(two, name="reader"),
    )
    app.run("BEGIN; SELECT * FROM public.a")
    ours.start(change())
    for _ in range(5):
        begun = time.monotonic()
        assert reader.run("SELECT id FROM public.a") == [(1,)]
        assert time.monotonic() - begun < 1
    assert not ours.done
    app.run("COMMIT")
    ours.result()


@pytest.mark.parametrize(
    "order", ["ARRAY['public.a'::regclass, 'public.b']", "ARRAY['public.b'::regclass, 'public.a']"]
)
def test_never_a_deadlock_in_the_application(two, session, order):
    """The application holds one and wants the other, while we want both."""
    app, ours = session(two, name="app"), patient(session(two, name="ours"), attempts="1000")
    app.run("SET deadlock_timeout = '300ms'")
    for first, second in (("a", "b"), ("b", "a")):
        app.run(f"BEGIN; LOCK TABLE public.{first} IN ROW EXCLUSIVE MODE")
        ours.start(change(order, "'{}'"))
        app.run(f"INSERT INTO public.{second} VALUES (1)")
        app.run("COMMIT")
        ours.result()


def test_a_lock_in_hand_makes_the_next_one_impatient(two, session):
    """We hold b; the application holds a and will want b. We must not wait for a."""
    app, ours = session(two, name="app"), patient(session(two, name="ours"), timeout="400", attempts="5")
    ours.run("BEGIN; LOCK TABLE public.b")
    app.run("BEGIN; SELECT * FROM public.a")
    app.start("INSERT INTO public.b VALUES (1)")
    begun = time.monotonic()
    with refused("55P03", "public.a"):
        ours.run("SELECT lifecycle._lock(ARRAY['public.a'::regclass], 'ACCESS EXCLUSIVE', false)")
    assert time.monotonic() - begun < 1
    ours.run("ROLLBACK")
    app.result()


def test_step_that_needs_another_lock_does_not_wait_for_it(two, session):
    app, ours = session(two, name="app"), patient(session(two, name="ours"), timeout="400", attempts="5")
    app.run("BEGIN; LOCK TABLE public.b IN ACCESS EXCLUSIVE MODE")
    begun = time.monotonic()
    with refused("55P03", "step 1"):
        ours.run(change(plan="ARRAY[lifecycle._step('x', 'table public.b', 'ALTER TABLE public.b ADD COLUMN c int')]"))
    assert time.monotonic() - begun < 1


def test_step_with_empty_hands_is_retried(two, session, observer):
    """Materialized views cannot be locked beforehand: the statement itself waits, and is tried again."""
    two.execute("CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS one")
    app, ours = session(two, name="app"), patient(session(two, name="ours"), attempts="1000")
    app.run("BEGIN; SELECT * FROM public.m")
    ours.start(
        "SELECT * FROM lifecycle._apply('test', NULL, ARRAY[lifecycle._step('x', 'materialized view public.m', "
        "'ALTER MATERIALIZED VIEW public.m RENAME one TO two')], false, NULL)"
    )
    assert observer.settle(ours, [app]) == "blocked"
    app.run("COMMIT")
    assert ours.result()[0][6] == "done"


def test_one_change_at_a_time(two, session):
    first, second = session(two, name="first"), session(two, name="second")
    first.run("BEGIN; SELECT lifecycle._lock(ARRAY['public.a'::regclass], 'SHARE UPDATE EXCLUSIVE', false)")
    begun = time.monotonic()
    with refused("55P03", "another change of public.a is under way", f"Process {first.pid} holds"):
        second.run(change())
    assert time.monotonic() - begun < 1
    second.run("SELECT lifecycle._lock(ARRAY['public.b'::regclass], 'ACCESS EXCLUSIVE', false)")
    first.run("COMMIT")
    second.run(change())


def test_dry_run_takes_no_lock(two, session):
    app, ours = session(two, name="app"), session(two, name="ours")
    app.run("BEGIN; LOCK TABLE public.a")
    ours.run("SET statement_timeout = '3s'")
    ours.run("SELECT lifecycle._lock(ARRAY['public.a'::regclass], 'ACCESS EXCLUSIVE', true)")
    assert ours.run("SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'") == [(0,)]


def test_lock_timeout_and_path_are_put_back(two, session):
    app, ours = session(two, name="app"), patient(session(two, name="ours"), attempts="2")
    ours.run("SET lock_timeout = '9s'; SET search_path = public")

    def settings():
        return ours.run("SELECT current_setting('lock_timeout'), current_setting('search_path')")

    ours.run("BEGIN")
    ours.run(change())
    assert settings() == [("9s", "public")]
    ours.run("COMMIT")
    app.run("BEGIN; SELECT * FROM public.a")
    ours.run("BEGIN; SAVEPOINT s")
    with refused("55P03"):
        ours.run(change(plan="'{}'"))
    ours.run("ROLLBACK TO s")
    assert settings() == [("9s", "public")]
    ours.run("ROLLBACK")
    assert settings() == [("9s", "public")]


def test_plan_sees_what_was_committed_while_we_waited(two, session, observer):
    """Lock, then plan: the second change of the same thing finds that it stands."""
    app, ours = session(two, name="app"), patient(session(two, name="ours"), timeout="400", attempts="100")
    two.execute(
        "CREATE FUNCTION public.planned() RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE AS $$SELECT "
        "ARRAY[lifecycle._step('add column', "
        "'column public.a.c', CASE WHEN NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = "
        "'public.a'::regclass AND attname = 'c') "
        "THEN 'ALTER TABLE public.a ADD c int' END)]$$"
    )
    app.run("BEGIN; ALTER TABLE public.a ADD c int")
    ours.start(change(plan="public.planned()"))
    assert observer.settle(ours, [app]) == "blocked"
    app.run("COMMIT")
    assert ours.result()[0][6] == "skipped"


def test_rollback_waits_as_short(two, session):
    two.execute(change())
    app, ours = session(two, name="app"), patient(session(two, name="ours"))
    app.run("BEGIN; SELECT * FROM public.a")
    with refused("55P03", "public.a", str(app.pid)):
        ours.run("SELECT * FROM lifecycle.rollback_migration(1, dry_run => false)")
    app.run("COMMIT")
    assert call(two, "rollback_migration", migration_id=1, dry_run=False)[0].status == "done"


def test_neighbours_without_the_right_to_lock_them(two, roles):
    """REFERENCES is enough for a foreign key, and less than LOCK TABLE wants."""
    alice = roles("alice")
    two.execute(f"ALTER TABLE public.a OWNER TO {alice}; GRANT REFERENCES ON public.b TO {alice}")
    call(two, "grant_lifecycle_admin", role_name=alice)
    connection = two.connect(alice)
    connection.execute(
        "SELECT lifecycle._lock(ARRAY['public.a'::regclass], 'SHARE ROW EXCLUSIVE', false, ARRAY['public.b'::regclass])"
    )
    with refused("42501"):
        connection.execute("SELECT lifecycle._lock(ARRAY['public.b'::regclass], 'SHARE ROW EXCLUSIVE', false)")
