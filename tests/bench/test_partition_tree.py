"""A tree of programs, sites and months, as large as petri_observations': what it takes to make it and to read from it.

PG_LIFECYCLE_TREE=programs,sites,months chooses another size.
"""

from __future__ import annotations

import os
import time

import psycopg

from harness.databases import Database

PROGRAMS, SITES, MONTHS = (int(number) for number in os.environ.get("PG_LIFECYCLE_TREE", "20,10,24").split(","))

TABLE = """
CREATE TABLE public.observation (
    observation_id uuid NOT NULL DEFAULT gen_random_uuid(), program_id uuid NOT NULL, site_id uuid NOT NULL,
    submission_id uuid, created_at timestamptz NOT NULL DEFAULT now(), growth_index numeric, note text,
    PRIMARY KEY (observation_id)
);
CREATE INDEX ON public.observation (submission_id);
CREATE INDEX ON public.observation (created_at);
"""
LEVELS = (
    "ARRAY[lifecycle.by_list('program_id'), lifecycle.by_list('site_id'), lifecycle.by_range('created_at', '1 month')]"
)
LEAVES = "SELECT count(*) FROM pg_partition_tree('public.observation_partitioned') WHERE isleaf"
PRUNED = (
    "SELECT count(*) FROM public.observation_partitioned WHERE program_id = md5('p1')::uuid"
    " AND site_id = md5('s1')::uuid AND created_at >= date_trunc('month', now())"
)
LOCKS = "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND NOT fastpath AND locktype = 'relation'"

SLOTS = (
    "SELECT current_setting('max_locks_per_transaction')::int * (current_setting('max_connections')::int"
    " + current_setting('max_prepared_transactions')::int)"
)


def test_tree(database: Database) -> None:
    """Made site by site, read through pruning, then kept a year further ahead, on a server with default settings."""
    database.execute(TABLE)
    database.execute(
        f"SELECT lifecycle.create_partitioned_table('public.observation', {LEVELS}, premake => {MONTHS - 1})"
    )
    began = time.perf_counter()
    locks = 0
    for program in range(PROGRAMS):
        for site in range(SITES):
            database.execute("BEGIN")
            database.execute(
                "SELECT lifecycle.precreate_partitions('public.observation_partitioned',"
                " jsonb_build_array(md5('p' || %s)::uuid, md5('s' || %s)::uuid))",
                [program, site],
            )
            locks = max(locks, database.value(LOCKS))
            database.execute("COMMIT")
    seconds = time.perf_counter() - began
    leaves = database.value(LEAVES)
    assert leaves == PROGRAMS * SITES * MONTHS
    print(
        f"\n{PROGRAMS} x {SITES} x {MONTHS}: {leaves} leaves in {seconds:.1f} s, {seconds * 1e3 / leaves:.0f} ms each;"
    )
    print(f"  one call a site, at most {locks} locks a transaction of {database.value(SLOTS)}")
    report_plan(database)
    report_ahead(database)


def report_plan(database: Database) -> None:
    """The time to plan a pruned query, the first in its session and the next, and what the session remembers."""
    with database.connect() as fresh:
        before = kibibytes(fresh)
        figures = [planning_time(fresh) for _ in range(6)]
        after = kibibytes(fresh)
        fresh.execute(PRUNED.partition(" AND")[0])
        program = kibibytes(fresh)
    print(f"  pruned query: planned in {figures[0]:.2f} ms, then {min(figures[1:]):.2f} ms; memory of the session")
    print(f"  {before} kB -> {after} kB, and {program} kB after a query on one program without a site")


def planning_time(connection: psycopg.Connection) -> float:
    """Milliseconds, as EXPLAIN says."""
    ((plan,),) = connection.execute(f"EXPLAIN (SUMMARY, FORMAT JSON) {PRUNED}")
    return float(plan[0]["Planning Time"])


def kibibytes(connection: psycopg.Connection) -> int:
    """What the session's memory contexts use."""
    ((used,),) = connection.execute("SELECT (sum(used_bytes) / 1024)::bigint FROM pg_backend_memory_contexts")
    return int(used)


def report_ahead(database: Database) -> None:
    """A year further ahead everywhere: so many calls, none of which overflows the lock table."""
    wanted = database.value(LEAVES) + PROGRAMS * SITES * 12
    calls, made, began = 0, [], time.perf_counter()
    while database.value(LEAVES) < wanted and calls < 50:
        before = database.value(LEAVES)
        rows = database.execute(
            "SELECT r.note FROM lifecycle.ensure_future_partitions(%s) AS r WHERE r.status = 'failed'", [MONTHS + 11]
        )
        assert not rows, rows[0]
        made.append(database.value(LEAVES) - before)
        calls += 1
    print(f"  a year further: {sum(made)} leaves in {calls} calls, {time.perf_counter() - began:.1f} s")
