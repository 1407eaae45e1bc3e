"""Readers and writers go on while partitions come, go, and are rewritten; whatever dies, no row is lost.

Every writer writes the same into a reference table in the same transaction, so that both must be equal at the end.
"""

from __future__ import annotations

import random
import threading

import psycopg
import pytest

from harness.calls import call, refused, statuses

pytestmark = pytest.mark.long

# The setting lock_timeout is what it is by default, 500 ms, and a writer that waits for longer fails the test.
PATIENCE = "SET lifecycle.lock_attempts = 3; SET lifecycle.lock_retry_delay = 20"
SCENE = (
    "CREATE TABLE public.m (id bigint, day date NOT NULL, note text NOT NULL, PRIMARY KEY (id, day),"
    " UNIQUE (note, day)) PARTITION BY RANGE (day); CREATE INDEX m_day ON public.m (day);"
    " CREATE TABLE public.m_2024 PARTITION OF public.m FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
    " CREATE TABLE public.m_2025 PARTITION OF public.m FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
    " CREATE TABLE public.m_rest PARTITION OF public.m DEFAULT;"
    " SELECT lifecycle.manage_partitions('public.m', '1 year', premake => 2);"
    " INSERT INTO public.m SELECT n, date '2024-01-01' + n % 1000, 'n' || n FROM generate_series(1, 6000) AS n;"
    " CREATE TABLE public.same (LIKE public.m INCLUDING ALL); INSERT INTO public.same SELECT * FROM public.m;"
    " ANALYZE"
)
DIFFERENCE = (
    "SELECT count(*) FROM ((TABLE public.m EXCEPT ALL TABLE public.same) UNION ALL"
    " (TABLE public.same EXCEPT ALL TABLE public.m)) AS d"
)
LATE = "date '2025-01-01' + {}"


class Writer(threading.Thread):
    """Inserts, changes, moves and deletes rows of 2025 and later until it is told to stop."""

    def __init__(self, dsn, number, stop):
        super().__init__()
        self.dsn, self.number, self.stop, self.error, self.written = dsn, number, stop, None, 0
        self.rng = random.Random(number)  # noqa: S311 - a schedule, no secret

    def run(self):
        try:
            with psycopg.connect(self.dsn) as connection:
                connection.execute("SET lock_timeout = '500ms'")
                # Some see the table as it was when their transaction began, and must not lose a write for it.
                if self.number == 0:
                    connection.execute("SET default_transaction_isolation = 'repeatable read'")
                connection.commit()
                while not self.stop.is_set():
                    self.write(connection)
                    self.written += 1
        except psycopg.Error as error:
            self.error = error

    def write(self, connection):
        new = (self.written * 4 + self.number) + 1_000_000
        key = 4 * self.rng.randrange(1500) + self.number
        late = LATE.format(self.rng.randrange(600))
        statement = self.rng.choice(
            [
                f"INSERT INTO {{0}} VALUES ({new}, {late}, 'w{new}')",
                f"UPDATE {{0}} SET note = 'u{new}' WHERE id = {key} AND day >= '2025-01-01'",
                f"UPDATE {{0}} SET day = {late} WHERE id = {key} AND day >= '2025-01-01'",
                f"DELETE FROM {{0}} WHERE id = {key} AND day >= '2025-01-01'",
            ]
        )
        try:
            for table in ("public.m", "public.same"):
                connection.execute(statement.format(table))
            connection.commit()
        except psycopg.errors.SerializationFailure:
            connection.rollback()  # a row that moved to another partition: the application tries again


@pytest.fixture
def writers(database):
    """Four of them, at work."""
    database.execute(SCENE)
    stop = threading.Event()
    made = [Writer(database.dsn(), number, stop) for number in range(4)]
    for writer in made:
        writer.start()
    yield made
    stop.set()
    for writer in made:
        writer.join()


def settled(writers):
    """Stops the writers; none has failed."""
    writers[0].stop.set()
    for writer in writers:
        writer.join()
    assert [w.error for w in writers] == [None] * 4
    assert all(w.written > 0 for w in writers)


def until(place, status, target="public.m", batch=500):
    """Steps until one says so."""
    for _ in range(1000):
        ((step,),) = place.execute("SELECT lifecycle.rewrite_partitions_step(%s, %s)", [target, batch])
        if step["status"] == status:
            return step
    raise AssertionError(f"never {status}")


def insist(action):
    """Tries again while the locks are not free, as a scheduler does."""
    for _ in range(200):
        try:
            return action()
        except psycopg.errors.LockNotAvailable:
            continue
    raise AssertionError("never got its locks")


@pytest.mark.concurrency
def test_created_detached_dropped_split_and_drained_beside_a_reader_and_writers(database, session, writers):
    database.execute(PATIENCE + "; SET lifecycle.partition_rewrite_at_once = '0'")
    reader, watcher = session(database, autocommit=False), session(database)
    reader.run("SELECT count(*) FROM public.m")

    # beside the reader: what needs no lock that he holds goes on, the rest gives up in time
    insist(lambda: call(database, "split_partition", target="public.m_2025", every="1 month"))
    waiting = until(database, "waiting")
    assert "could not be obtained" in waiting["message"] or "lock" in waiting["message"]
    with refused("55P03", f"process {reader.pid} holds"):
        call(database, "detach_partition", target="public.m_2024", dry_run=False)
    assert reader.run("SELECT count(*) FROM public.m WHERE day < '2025-01-01'") == [(2196,)]
    reader.run("COMMIT")

    until(database, "done")
    insist(lambda: call(database, "detach_partition", target="public.m_2024", dry_run=False))
    assert watcher.run("SELECT count(*) FROM public.m_2024") == [(2196,)]
    insist(lambda: call(database, "drop_archived_partitions", older_than="0", dry_run=False))
    insist(lambda: database.execute("SELECT lifecycle.drain_default_partition_step('public.m')"))
    until(database, "done")
    insist(
        lambda: call(
            database, "create_partition", parent="public.m", lower_bound="2030-01-01", upper_bound="2031-01-01"
        )
    )
    settled(writers)
    database.execute("DELETE FROM public.same WHERE day < '2025-01-01'")
    assert database.value(DIFFERENCE) == 0
    bounds = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.m'::regclass"
    assert database.value(bounds) == 12 + 1 + 1 + 1  # months of 2025, 2026, 2030, the default
    assert database.value("SELECT count(*) FROM public.m_default") == 0


@pytest.mark.concurrency
def test_merged_and_split_again_beside_writers(database, writers):
    database.execute(PATIENCE + "; SET lifecycle.partition_rewrite_at_once = '0'")
    insist(lambda: call(database, "split_partition", target="public.m_2025", every="6 months"))
    until(database, "done")
    names = "{public.m_2025_01_01,public.m_2025_07_01}"
    done = insist(lambda: call(database, "merge_partitions", partitions=names, partition_name="m_year"))
    until(database, "done")
    settled(writers)
    assert database.value(DIFFERENCE) == 0
    with refused("55000", "too large to be put back under a lock"):
        database.execute("SELECT * FROM lifecycle.rollback_migration(%s)", [done[0].migration_id])


def test_a_reader_sees_every_row_all_the_time(database, session):
    """Counted by many statements while it is drained: never one too few, never one twice."""
    database.execute(SCENE + "; SET lifecycle.partition_rewrite_at_once = '0'")
    stop, counts = threading.Event(), set()

    def count():
        with psycopg.connect(database.dsn(), autocommit=True) as connection:
            while not stop.is_set():
                counts.add(connection.execute("SELECT count(*), count(DISTINCT id) FROM public.m").fetchone())

    reader = threading.Thread(target=count)
    reader.start()
    try:
        for size in ("0", "100"):
            database.execute(f"SET lifecycle.partition_rewrite_at_once = '{size}'")
            insist(lambda: database.execute("CALL lifecycle.drain_default_partition('public.m', batch_size => 200)"))
            database.execute("INSERT INTO public.m VALUES (0, '2020-01-01', 'zero')")
            database.execute("DELETE FROM public.m WHERE id = 0")
            database.execute("INSERT INTO public.m_default SELECT 6001, '2021-01-01', 'more'")
            database.execute("DELETE FROM public.m WHERE id = 6001")
    finally:
        stop.set()
        reader.join()
    assert counts <= {(6000, 6000), (6001, 6001)}
    assert (6000, 6000) in counts


def test_a_killed_call_goes_on(database, session, observer):
    database.execute(SCENE + "; SET lifecycle.partition_rewrite_at_once = '0'")
    call(database, "split_partition", target="public.m_2025", every="3 months")
    ours = session(database)
    ours.start("CALL lifecycle.rewrite_partitions('public.m', batch_size => 500, pause => 3600)")
    while not database.value("SELECT rows_copied FROM lifecycle.preview_rewrite_partitions()"):
        assert not ours.done
    observer.terminate(ours)
    with pytest.raises(psycopg.OperationalError):
        ours.result()
    database.execute("UPDATE public.m SET note = note || '!' WHERE id < 3000")
    database.execute("TRUNCATE public.same; INSERT INTO public.same TABLE public.m")
    copied = database.value("SELECT rows_copied FROM lifecycle.preview_rewrite_partitions()")
    database.execute("CALL lifecycle.rewrite_partitions('public.m', max_batches => 1)")
    assert database.value("SELECT rows_copied FROM lifecycle.preview_rewrite_partitions()") > copied
    database.execute("CALL lifecycle.rewrite_partitions()")
    assert database.value(DIFFERENCE) == 0
    assert statuses(call(database, "drop_archived_partitions", older_than="0", dry_run=False)) == ["done"]


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["split", "drain"])
def test_server_killed_at_every_step(own_server, kind):
    """SIGKILL between the work of a step and its commit, at each step: the next call does it again, to the same end."""
    name = f"crash_{kind}"
    own_server.execute(f"CREATE DATABASE {name}")
    begin, step = {
        "split": (
            "SELECT lifecycle.split_partition('public.m_2025', every => '4 months')",
            "SELECT lifecycle.rewrite_partitions_step('public.m', 1200)",
        ),
        "drain": ("SELECT 1", "SELECT lifecycle.drain_default_partition_step('public.m', 1200)"),
    }[kind]
    scene = "SET lifecycle.partition_rewrite_at_once = '0'"
    with own_server.connect(name) as connection:
        for statement in ("CREATE EXTENSION pg_lifecycle", SCENE, scene, begin):
            connection.execute(statement)
    said, rounds = "", 0
    while said != "nothing" and rounds < 12:
        rounds += 1
        broken = own_server.connect(name)
        broken.execute(scene)
        broken.execute("BEGIN")
        broken.execute(step)
        own_server.crash()
        with pytest.raises(psycopg.OperationalError):
            broken.execute("COMMIT")
        own_server.start()
        with own_server.connect(name) as connection:
            connection.execute(scene)
            for table in ("public.m", "public.same"):
                connection.execute(
                    f"UPDATE {table} SET note = 'r{rounds}-' || id, day = day - 1"
                    f" WHERE id % 100 = {rounds} AND day > '2025-01-02';"
                    f" DELETE FROM {table} WHERE id % 100 = {rounds + 50} AND day > '2025-01-02';"
                    f" INSERT INTO {table} VALUES ({10000 + rounds}, '2026-02-02', 'new{rounds}')"
                )
            said = connection.execute(step).fetchone()[0]["status"]
            assert connection.execute(DIFFERENCE).fetchone() == (0,)
    assert said == "nothing"
    assert rounds >= 4
    with own_server.connect(name) as connection:
        assert connection.execute("SELECT count(*) FROM lifecycle.partition_rewrite").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM lifecycle.capture").fetchone() == (0,)
        found = connection.execute("SELECT finding FROM lifecycle.validate_partitions('public.m')").fetchall()
        assert [f for (f,) in found if f not in ("the default partition is not empty", "lacks partitions ahead")] == []
