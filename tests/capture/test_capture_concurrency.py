"""No change is lost, whatever commits when; and the designs that lose some do so here."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from harness.calls import call, refused
from harness.capture_controls import (
    DEDUPLICATED,
    MIRROR,
    UP_TO_MAX,
    deduplicated,
    mirror,
    no_truncate,
    triggers,
    up_to_max,
)
from harness.capture_schedules import (
    DIFFERENCE,
    EXPECTED,
    LEVELS,
    PARTITIONED,
    PLAIN,
    START,
    apply_keys,
    drain,
    interleave,
    keeper,
    operation,
    seeded,
    table_of,
    write,
)
from harness.databases import run

pytestmark = [pytest.mark.concurrency, pytest.mark.long]

SEEDS = range(20)
QUEUE = "lifecycle_data.src_copy_queue"


def reset(database, *queues):
    database.execute(f"TRUNCATE public.src, public.copy; {START}")
    for queue in queues:
        database.execute(f"DELETE FROM {queue}")


@pytest.mark.parametrize("level", ["statement", "row"])
@pytest.mark.parametrize("partitioned", [False, True], ids=["plain", "partitioned"])
def test_the_copy_equals_the_source(database, level, partitioned):
    database.execute(PARTITIONED if partitioned else PLAIN)
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="copy",
        trigger_level=level,
    )
    wrong = {}
    for seed in SEEDS:
        reset(database, QUEUE)
        columns = ("id", "grp") if partitioned else ("id",)
        keep = keeper(QUEUE, max_rows=(3, 1000)[seed % 2], columns=columns)
        interleave(
            database,
            seed,
            keep,
            operations=functools.partial(operation, partitioned=partitioned),
        )
        left = 1
        with database.connect() as connection:
            while left:
                left, all_rows, keys, _ = drain(connection, QUEUE)
                apply_keys(connection, QUEUE, keys, all_rows, columns)
        if found := database.value(DIFFERENCE.format(source="public.src", copy="public.copy")):
            wrong[seed] = found
    assert wrong == {}


@pytest.mark.parametrize(
    ("objects", "drainer"),
    [
        (UP_TO_MAX, lambda: up_to_max),
        (DEDUPLICATED, lambda: deduplicated),
        (MIRROR, mirror),
    ],
    ids=[
        "up to the newest entry",
        "queue without duplicates",
        "mirror trigger, unlocked copy",
    ],
)
def test_unsafe_designs_lose_changes(database, objects, drainer):
    database.execute(PLAIN + objects)
    wrong = 0
    for seed in SEEDS:
        if objects is MIRROR:
            reset(database)
            database.execute("TRUNCATE public.copy")
        else:
            reset(database, "public.q")
            database.execute("INSERT INTO public.copy TABLE public.src")
        wrong += interleave(database, seed, drainer(), operations=no_truncate(operation))
    assert wrong > 0


# Two tables: what region a row of src counts for depends on another table.
PATH = """
CREATE TABLE public.grps (grp int PRIMARY KEY, region int NOT NULL);
CREATE TABLE public.src (id int PRIMARY KEY, grp int NOT NULL, val int NOT NULL);
CREATE VIEW public.total AS
    SELECT g.region, count(*) AS n, sum(s.val) AS val FROM public.src AS s JOIN public.grps AS g USING (grp) GROUP BY 1;
CREATE TABLE public.copy (region int PRIMARY KEY, n bigint, val bigint);
"""
PATH_START = """
TRUNCATE public.src, public.grps, public.copy;
INSERT INTO public.grps SELECT g, g FROM generate_series(0, 2) AS g;
INSERT INTO public.src SELECT g, g % 3, 1 FROM generate_series(1, 12, 2) AS g;
INSERT INTO public.copy TABLE public.total;
"""


def path_operation(rng):
    if rng.random() < 0.5:
        return f"UPDATE public.grps SET region = {rng.randrange(8)} WHERE grp = {rng.randrange(3)}"
    return f"UPDATE public.src SET val = val + 1, grp = {rng.randrange(3)} WHERE id = {rng.randrange(1, 12, 2)}"


def recompute(connection, regions):
    run(connection, "DELETE FROM public.copy WHERE region = ANY (%s)", [regions])
    run(
        connection,
        "INSERT INTO public.copy SELECT * FROM public.total WHERE region = ANY (%s)",
        [regions],
    )


def path_keeper(connection):
    """Drains both queues, and only then looks up the region of what has changed in src."""
    run(connection, "BEGIN")
    yield
    regions = []
    for queue, lookup in (
        ("lifecycle_data.grps_total_queue", "SELECT k.region FROM {}"),
        (
            "lifecycle_data.src_total_queue",
            "SELECT g.region FROM {} JOIN public.grps AS g USING (grp)",
        ),
    ):
        _, _, keys, _ = drain(connection, queue)
        yield
        regions += [(lookup, table_of(connection, queue, keys))] if keys else []
    found = [row[0] for lookup, keys in regions for row in run(connection, lookup.format(keys))]
    yield
    recompute(connection, found)
    yield
    run(connection, "COMMIT")


def test_two_sources_of_one_consumer(database):
    database.execute(PATH)
    call(
        database,
        "start_capture",
        target="public.grps",
        consumer="total",
        key_columns=["region"],
    )
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="total",
        key_columns=["grp"],
    )
    wrong = {}
    for seed in SEEDS:
        database.execute(
            PATH_START + "DELETE FROM lifecycle_data.grps_total_queue; DELETE FROM lifecycle_data.src_total_queue"
        )
        found = interleave(
            database,
            seed,
            path_keeper,
            source="public.total",
            operations=path_operation,
            steps=50,
        )
        if found:
            wrong[seed] = found
    assert wrong == {}


RESOLVED = (
    "CREATE TABLE public.q (region int);"
    + triggers(
        "public.grps",
        "queue_regions",
        "INSERT INTO public.q SELECT r.region FROM {rows} AS r",
    )
    + triggers(
        "public.src",
        "queue_keys",
        "INSERT INTO public.q SELECT g.region FROM {rows} AS r JOIN public.grps AS g USING (grp)",
    )
)


def resolved_in_trigger(connection):
    """Drains regions that the triggers have looked up at the time of the write."""
    run(connection, "BEGIN")
    ((regions,),) = run(
        connection,
        "WITH d AS (DELETE FROM public.q RETURNING region) SELECT array_agg(region) FROM d",
    )
    yield
    recompute(connection, regions)
    yield
    run(connection, "COMMIT")


@pytest.mark.parametrize("drainer", [path_keeper, resolved_in_trigger])
def test_resolving_inside_the_trigger_loses_changes(database, session, drainer):
    """A row is written while the region of its group moves: the trigger sees the old region, the view the new one."""
    database.execute(PATH + RESOLVED)
    call(
        database,
        "start_capture",
        target="public.grps",
        consumer="total",
        key_columns=["region"],
    )
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="total",
        key_columns=["grp"],
    )
    database.execute(PATH_START)
    mover, writer, consumer = session(database), session(database), database.connect()
    list(drainer(consumer))
    mover.run("BEGIN; UPDATE public.grps SET region = 7 WHERE grp = 0")
    writer.run("BEGIN; INSERT INTO public.src VALUES (100, 0, 1)")
    mover.run("COMMIT")
    list(drainer(consumer))
    writer.run("COMMIT")
    list(drainer(consumer))
    wrong = database.value(DIFFERENCE.format(source="public.total", copy="public.copy"))
    assert (wrong > 0) == (drainer is resolved_in_trigger)


def test_the_source_must_be_read_by_a_later_statement(database, session, observer):
    """In one statement with the drain the source is read by an older snapshot: that loses, two statements do not."""
    database.execute(PLAIN)
    call(database, "start_capture", target="public.src", consumer="copy")
    copy = "INSERT INTO public.copy SELECT s.* FROM public.src AS s, d, unnest((d.d).keys[1]::int[]) AS k (id)"
    gate = "w AS MATERIALIZED (SELECT pg_advisory_xact_lock(7))"
    taken = "AS MATERIALIZED (SELECT lifecycle._drain('lifecycle_data.src_copy_queue') AS d FROM w)"
    outcome = []
    for statement, later in (
        (
            f"WITH {gate}, d {taken} {copy} WHERE s.id = k.id",
            None,
        ),
        (
            f"CREATE TEMP TABLE d AS WITH {gate}, t {taken} SELECT (t.d).* FROM t",
            (
                "INSERT INTO public.copy SELECT s.* FROM public.src AS s, d,"
                " unnest(d.keys[1]::int[]) AS k (id) WHERE s.id = k.id"
            ),
        ),
    ):
        reader, writer = (
            session(database, name="reader"),
            session(database, name="writer"),
        )
        writer.run("SELECT pg_advisory_lock(7)")
        assert observer.settle(reader.start(statement), [writer]) == "blocked"
        writer.run("INSERT INTO public.src VALUES (1, 1, 1)")
        writer.run("SELECT pg_advisory_unlock(7)")
        reader.result()
        if later:
            reader.run(later)
        outcome.append(database.value("SELECT count(*) FROM public.copy"))
        database.execute(f"DELETE FROM public.src; DELETE FROM public.copy; DELETE FROM {QUEUE}")
    assert outcome == [0, 1]


def test_one_drain_at_a_time(database, session):
    database.execute(PLAIN)
    call(database, "start_capture", target="public.src", consumer="copy")
    first, second = session(database, autocommit=False), session(database)
    first.run("SELECT lifecycle._drain(%s::regclass)", [QUEUE])
    with refused("55P03", QUEUE, str(first.pid)):
        second.run("SELECT lifecycle._drain(%s::regclass)", [QUEUE])
    first.run("ROLLBACK")
    second.run("SELECT lifecycle._drain(%s::regclass)", [QUEUE])


def write_transactions(connection, seed):
    """150 transactions on shared rows; those that meet another one's are rolled back."""
    rng = seeded(seed)
    for _ in range(150):
        try:
            run(connection, f"BEGIN ISOLATION LEVEL {rng.choice(LEVELS)}")
            for _ in range(rng.randint(1, 3)):
                statement = operation(rng, partitioned=True)
                if "TRUNCATE" not in statement or rng.random() < 0.2:
                    write(connection, statement)
            run(connection, "COMMIT")
        except psycopg.Error as error:
            run(connection, "ROLLBACK")
            if error.sqlstate not in EXPECTED:
                raise


def one_round(connection, table, queue):
    """Drains some entries and brings a copy in step; returns whether there were any."""
    run(connection, "BEGIN")
    entries, all_rows, keys, problem = drain(connection, queue, 50)
    assert problem is None, problem
    if all_rows:
        run(
            connection,
            f"DELETE FROM public.{table}; INSERT INTO public.{table} TABLE public.src",
        )
    elif keys:
        given = table_of(connection, queue, keys)
        run(
            connection,
            f"DELETE FROM public.{table} AS r USING {given} WHERE (r.id, r.grp) = (k.id, k.grp)",
        )
        run(
            connection,
            f"INSERT INTO public.{table} SELECT r.* FROM public.src AS r JOIN {given} ON (r.id, r.grp) = (k.id, k.grp)",
        )
    run(connection, "COMMIT")
    return entries > 0


def keep_copy(connection, table, queue, written):
    """Drains until the writers are done and nothing is left."""
    more = True
    while more:
        over = written.is_set()
        try:
            more = one_round(connection, table, queue) or not over
        except psycopg.errors.DeadlockDetected:
            # TRUNCATE locks in an order of its own. What was taken is back in the queue.
            run(connection, "ROLLBACK")


def test_writers_and_drainers_at_full_speed(database):
    """Threads, not turns: overlapping keys, deadlocks and all, and two consumers with queues of their own."""
    database.execute(PARTITIONED + START)
    database.execute("CREATE TABLE public.second (LIKE public.copy INCLUDING ALL)")
    call(database, "start_capture", target="public.src", consumer="copy")
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="second",
        trigger_level="row",
    )
    queues = {"copy": QUEUE, "second": "lifecycle_data.src_second_queue"}
    database.execute("INSERT INTO public.copy TABLE public.src; INSERT INTO public.second TABLE public.src")
    written = threading.Event()

    def work(function, *arguments):
        with psycopg.connect(database.dsn(), autocommit=True) as connection:
            function(connection, *arguments)

    with ThreadPoolExecutor(7) as pool:
        drainers = [pool.submit(work, keep_copy, table, queue, written) for table, queue in queues.items()]
        writers = [pool.submit(work, write_transactions, seed) for seed in range(5)]
        try:
            for writer in writers:
                writer.result()
        finally:
            written.set()
        for drainer in drainers:
            drainer.result(60)
    for table in queues:
        assert database.value(DIFFERENCE.format(source="public.src", copy=f"public.{table}")) == 0
