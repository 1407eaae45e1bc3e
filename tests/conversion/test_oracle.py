"""No write is lost, whatever dies when: writers in all isolation levels, a reference they write to as well, kills.

PG_LIFECYCLE_KILLS says how many calls of each phase are killed in all (default 2, so that a run stays short).
"""

from __future__ import annotations

import os
import random
from collections import Counter

import psycopg
import pytest

from harness import failpoints
from harness.calls import refused, rows
from harness.conversion_controls import convert
from harness.databases import Databases, run
from harness.writers import DIFFERENCE, KINDS, setup, writing

pytestmark = [pytest.mark.concurrency, pytest.mark.long]

ROWS = 3000
KILLS = int(os.environ.get("PG_LIFECYCLE_KILLS", "2"))
THREE_LEVELS = "lifecycle.by_list('region') || lifecycle.by_list('status') || lifecycle.by_range('at', '1 month')"
LEVELS = "lifecycle.by_list('region') || lifecycle.by_hash('id', 2)"
KILLS_A_RUN = 2
RETRY = 20  # how often a call that found no lock is made again, before it is an error
PHASES = ("copy", "index", "dress", "ready", "swapped")
PHASE = "SELECT c.phase FROM lifecycle.conversion AS c WHERE c.ended_at IS NULL"
CALLS = {
    "start": f"SELECT * FROM lifecycle.start_conversion('public.orders', {LEVELS}, key_mode => 'extend')",
    "convert": "CALL lifecycle.convert_data('public.orders', batch_size => 500)",
    "validate": "SELECT * FROM lifecycle.post_migration_validation('public.orders') WHERE severity <> 'ok'",
    "swap": "CALL lifecycle.swap_tables('public.orders')",
    "rollback": "SELECT * FROM lifecycle.rollback_conversion('public.orders', dry_run => false)",
    "finish": "SELECT * FROM lifecycle.finish_conversion('public.orders', dry_run => false)",
}
WRITTEN = """
SELECT c.oid::regclass::text FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace IN ('lifecycle'::regnamespace, to_regnamespace('lifecycle_data'))
    AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = 'failpoint')
"""


class Journey:
    """A conversion under fire: each call is killed at seeded points, made again until it is done, and writers go on."""

    def __init__(self, database, seed: int, kills: int, events: dict[str, int]) -> None:
        self.database, self.kills, self.events = database, kills, events
        self.rng = random.Random(seed)  # noqa: S311 - a schedule, no secret
        self.failpoints = failpoints.Failpoints(database.server, database.dsn(), PHASE, PHASES)
        self.killed: Counter[str] = Counter()
        self.seen: Counter[str] = Counter()

    def through(self, crew, name: str, *phases: str) -> None:
        """Makes a call until it is done, and kills it on the way so many times in each phase."""
        for phase in phases:
            for _ in range(self.kills):
                if not self.kill(name, phase):
                    break
                self.killed[f"{name} {phase}"] += 1
                crew.work(5)
        for phase, seen in self.once(name).events.items():
            self.seen[f"{name} {phase}"] = max(self.seen[f"{name} {phase}"], seen)
        crew.work(20)

    def kill(self, name: str, phase: str) -> bool:
        """Makes a call that is killed in a phase, if it comes so far; tells whether it was.

        The rounds of a replay are as many as the writers made necessary: where a round was chosen that did not come,
        the first one of the next call will.
        """
        if phase == "now":
            return self.once(name, phase).killed
        event = self.rng.randint(1, max(1, self.events[f"{name} {phase}"] // 2))
        return self.once(name, f"{phase} {event}").killed or self.once(name, f"{phase} 1").killed

    def once(self, name: str, at: str = "") -> failpoints.Outcome:
        """Makes a call; one that found no lock is made again."""
        for _ in range(RETRY):
            self.failpoints.watch(*(table for (table,) in rows(self.database.connect(), WRITTEN)))
            try:
                outcome = self.failpoints.call(CALLS[name], at, crash=self.rng.random() < 0.3)
            except psycopg.errors.LockNotAvailable:
                continue
            assert name != "validate" or outcome.rows == []
            return outcome
        raise AssertionError(f"{name} got no lock in {RETRY} calls")


@pytest.fixture
def fragile(own_server):
    """A database on a server that may be killed."""
    maker = Databases(own_server, "fragile")
    return maker.make(maker.make_template())  # it goes with the server


def travel(database, seed: int, kills: int, events: dict[str, int]) -> tuple[Journey, list[int]]:
    """There, back with all that was written since, there again and for good."""
    found = []
    journey = Journey(database, seed, kills, events)
    legs = [
        [("start", "none"), ("convert", "copy", "index", "dress", "ready"), ("validate", "now"), ("swap", "ready")],
        [("convert", "swapped"), ("validate", "now"), ("rollback", "swapped")],
        [("start",), ("convert",), ("swap",)],
        [("convert",), ("finish", "swapped")],
    ]
    for number, leg in enumerate(legs):
        with writing(database.dsn(), seed + 1000 * number, ROWS) as crew:
            for name, *phases in leg:
                journey.through(crew, name, *phases)
        ((count,),) = rows(database.connect(), DIFFERENCE)
        found.append(int(count))
    return journey, found


@pytest.mark.faults
def test_no_write_is_lost(fragile):
    database = fragile
    database.execute(setup(ROWS) + failpoints.INSTALL)
    untouched, found = travel(database, seed=0, kills=0, events={})
    assert found == [0, 0, 0, 0]
    killed: Counter[str] = Counter()
    for seed in range(1, KILLS // KILLS_A_RUN + 1):
        database.connect().execute("DROP TABLE public.orders, public.reference")
        run(database.connect(), setup(ROWS))
        journey, found = travel(database, seed, KILLS_A_RUN, untouched.seen)
        killed += journey.killed
        print(f"seed {seed}: {sum(journey.killed.values())} kills, rows that differ: {found}", flush=True)
        assert found == [0, 0, 0, 0], f"seed {seed}"
    print(f"killed: {dict(killed)}; events a run: {dict(untouched.seen)}")
    assert set(killed) == {
        "start none",
        *(f"convert {phase}" for phase in ("copy", "index", "dress", "ready", "swapped")),
        "validate now",
        "swap ready",
        "rollback swapped",
        "finish swapped",
    }


def begin(database, levels: str) -> None:
    """Up to the swap."""
    database.execute(f"SELECT * FROM lifecycle.start_conversion('orders', {levels}, key_mode => 'extend')")
    database.execute("CALL lifecycle.convert_data('orders', batch_size => 500)")


def test_three_levels_and_back(database):
    """Program, site and month: 108 partitions, filled while four sessions write, and taken back."""
    database.execute(setup(ROWS))
    with writing(database.dsn(), seed=3, rows=ROWS) as crew:
        begin(database, THREE_LEVELS)
        database.execute(CALLS["swap"])
        crew.work(50)
    assert database.value(DIFFERENCE) == 0
    assert database.value("SELECT count(*) FROM pg_partition_tree('orders') WHERE isleaf") >= 108
    with writing(database.dsn(), seed=4, rows=ROWS) as crew:
        crew.work(50)
        database.execute(CALLS["rollback"])
        crew.work(20)
    assert database.value(DIFFERENCE) == 0


def test_swap_beside_writers_and_readers(database, session):
    """While a reader keeps the swap from its lock, eight writers go on: nobody waits longer than the swap may."""
    database.execute(setup(ROWS))
    begin(database, LEVELS)
    idle, reader = session(database, name="idle", autocommit=False), session(database, name="reader", autocommit=False)
    idle.run("SELECT 1")
    reader.run("SELECT count(*) FROM orders")
    with writing(database.dsn(), seed=5, rows=ROWS, size=8, lock_timeout="2s") as crew:
        crew.work(20)
        done = crew.done
        with refused("55P03", str(reader.pid)):
            database.execute("CALL lifecycle.swap_tables('orders', max_attempts => 3)")
        assert crew.done > done, "the writers went on between the tries"
        reader.run("COMMIT")
        database.execute("CALL lifecycle.swap_tables('orders')")
        crew.work(50)
    assert database.value("SELECT relkind FROM pg_class WHERE oid = 'orders'::regclass") == "p"
    assert database.value(DIFFERENCE) == 0
    # A writer gives up after two seconds, the swap after half a second: none had to.
    assert "55P03" not in {state for writer in crew.writers for state in writer.gave_up}
    print(
        database.notices[-1], f"the longest transaction of a writer took {max(w.longest for w in crew.writers):.3f} s"
    )


def test_writers_alone_make_no_difference(database):
    """The oracle itself: without a conversion there is nothing to find, and all kinds of writes happen."""
    database.execute(setup(ROWS))
    with writing(database.dsn(), seed=1, rows=ROWS) as crew:
        crew.work(400)
    assert database.value(DIFFERENCE) == 0
    assert set().union(*(w.kinds for w in crew.writers)) == {kind.__name__ for kind in KINDS}
    assert all(writer.done > 20 for writer in crew.writers)


@pytest.mark.parametrize("mirror", [True, False], ids=["mirror trigger", "no capture"])
def test_unsafe_designs_lose_writes(database, mirror):
    database.execute(setup(ROWS))
    connection = database.connect()
    with writing(database.dsn(), seed=2, rows=ROWS) as crew:
        convert(connection, crew, mirror=mirror)
        crew.work(50)
    assert database.value(DIFFERENCE) > 0
