"""A partition is added beside readers and writers; who stands in the way is waited for briefly and named."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, statuses

DAILY = (
    "CREATE TABLE public.place (id int PRIMARY KEY); CREATE TABLE public.metric (day date, place int"
    " REFERENCES public.place)"
    " PARTITION BY RANGE (day); CREATE TABLE public.metric_2025_12 PARTITION OF public.metric"
    " FOR VALUES FROM ('2025-12-01') TO ('2026-01-01'); INSERT INTO public.place VALUES (1)"
)
HASTE = "SET lifecycle.lock_attempts = '2'; SET lifecycle.lock_timeout = '20'; SET lifecycle.lock_retry_delay = '10'"


def january(place, **more):
    return call(
        place,
        "create_monthly_partition",
        parent="public.metric",
        year=2026,
        month=1,
        **more,
    )


def test_readers_and_writers_of_the_parent_go_on(database, session):
    database.execute(DAILY)
    other = session(database, autocommit=False)
    other.run("INSERT INTO public.metric VALUES ('2025-12-24', NULL)")
    other.run("SELECT * FROM public.metric")
    assert statuses(january(database)) == ["done", "done"]
    other.run("INSERT INTO public.metric VALUES ('2026-01-24', NULL)")
    other.run("COMMIT")


def test_no_lock_stronger_than_announced(database):
    database.execute(DAILY)
    connection = database.connect(autocommit=False)
    january(connection)
    query = "SELECT DISTINCT mode FROM pg_locks WHERE pid = pg_backend_pid() AND relation = %s::regclass"
    locks = {name: {m for (m,) in connection.execute(query, [name]).fetchall()} for name in ("metric", "place")}
    assert "ShareUpdateExclusiveLock" in locks["metric"]
    assert locks["metric"].isdisjoint({"ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"})
    assert "ShareRowExclusiveLock" in locks["place"]
    assert locks["place"].isdisjoint({"ExclusiveLock", "AccessExclusiveLock"})
    connection.rollback()


@pytest.mark.parametrize(
    ("lock", "held"),
    [
        ("LOCK TABLE public.metric IN SHARE UPDATE EXCLUSIVE MODE", "public.metric"),
        ("UPDATE public.place SET id = 1", "public.place"),
        ("SELECT * FROM public.rest", "public.rest"),
    ],
)
def test_what_stands_in_the_way_is_named(database, session, lock, held):
    database.execute(DAILY + "; CREATE TABLE public.rest PARTITION OF public.metric DEFAULT")
    other = session(database, autocommit=False)
    other.run(lock)
    database.execute(HASTE)
    before = database.value("SHOW lock_timeout")
    with refused("55P03", "could not lock", "in 2 tries", f"process {other.pid} holds", held):
        january(database)
    assert database.value("SHOW lock_timeout") == before
    assert statuses(january(database, dry_run=True)) == ["planned", "planned"]
    other.run("COMMIT")
    assert statuses(january(database)) == ["done", "done"]


def test_what_stands_needs_no_lock(database, session):
    database.execute(DAILY)
    january(database)
    other = session(database, autocommit=False)
    other.run("LOCK TABLE public.metric IN ACCESS EXCLUSIVE MODE")
    database.execute(HASTE)
    other.run("COMMIT")
    other.run("LOCK TABLE public.metric IN SHARE UPDATE EXCLUSIVE MODE")
    assert statuses(january(database)) == ["skipped"]


def test_two_at_once_make_one(database, session, observer):
    database.execute(DAILY)
    first, second = session(database, autocommit=False), session(database)
    statement = "SELECT action, status FROM lifecycle.create_monthly_partition('public.metric', 2026, 1)"
    first.run(statement)
    second.run(HASTE)
    second.start(statement)
    with refused("55P03", "another change of public.metric is under way"):
        second.result()
    first.run("COMMIT")
    assert second.run(statement) == [("create partition", "skipped")]


def test_another_isolation_level_is_refused(database):
    database.execute(DAILY)
    connection = database.connect(autocommit=False)
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    with refused("25000", "repeatable read"):
        january(connection)


def test_a_detach_leaves_the_siblings_alone(database, session):
    database.execute(DAILY)
    january(database)
    other = session(database, autocommit=False)
    other.run("SELECT * FROM public.metric_2026_01")
    database.execute(HASTE)
    done = call(database, "detach_partition", target="public.metric_2025_12", dry_run=False)
    assert set(statuses(done)) == {"done"}
    other.run("COMMIT")


@pytest.mark.parametrize("held", ["public.metric", "public.metric_2025_12", "public.place"])
def test_what_stands_in_the_way_of_a_detach_is_named(database, session, held):
    database.execute(DAILY)
    session(database, autocommit=False).run(f"LOCK TABLE {held} IN SHARE UPDATE EXCLUSIVE MODE")
    database.execute(HASTE)
    with refused("55P03", held.removeprefix("public.")):
        call(database, "detach_partition", target="public.metric_2025_12", dry_run=False)


def test_the_table_above_is_locked_first(database, session, observer):
    """Older partitions too, as of a converted table: in the other order a table that is written to is never locked."""
    database.execute(
        "CREATE TABLE public.old (day date NOT NULL); CREATE TABLE public.m (LIKE public.old) PARTITION BY RANGE (day);"
        "ALTER TABLE public.m ATTACH PARTITION public.old FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    )
    writer, ours = session(database, autocommit=False), session(database)
    writer.run("LOCK TABLE ONLY public.m IN ROW EXCLUSIVE MODE")
    # More than one: a commit lets go of its locks one by one, and for the second one we wait a millisecond only.
    ours.run("SET deadlock_timeout = '60s'; SET lifecycle.lock_timeout = 40000; SET lifecycle.lock_attempts = 5")
    ours.start("SELECT status FROM lifecycle.detach_partition('public.old', dry_run => false)")
    assert observer.settle(ours, [writer]) == "blocked"
    writer.run("INSERT INTO public.m VALUES ('2025-05-05'); COMMIT")
    assert {status for (status,) in ours.result()} == {"done"}
