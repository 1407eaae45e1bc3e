"""What it takes to convert a table with two indexes, against one INSERT ... SELECT, and against pg_partman; what those
who write notice of it.

PG_LIFECYCLE_BENCH_ROWS says how many rows (default 200000; the goals speak of two million).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import statistics
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from bench.paired import paired

from harness.databases import Database

ROWS = int(os.environ.get("PG_LIFECYCLE_BENCH_ROWS", "200000"))
MONTHS = 12
FILL = f"""
INSERT INTO public.orders
SELECT i, '2024-01-01 UTC'::timestamptz + i % {MONTHS} * interval '1 month' + i % 700 * interval '1 hour', i % 1000,
    repeat('x', 80)
FROM generate_series(1, {ROWS}) AS i;
"""
COLUMNS = "id bigint NOT NULL, at timestamptz NOT NULL, amount int NOT NULL, note text"
TABLE = f"""
CREATE TABLE public.orders ({COLUMNS}, PRIMARY KEY (id));
{FILL}
CREATE INDEX orders_at ON public.orders (at);
CREATE INDEX orders_amount ON public.orders (amount);
ANALYZE public.orders;
"""
BY_HAND = f"""
CREATE TABLE public.by_hand ({COLUMNS}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
DO $$ BEGIN FOR i IN 0..{MONTHS - 1} LOOP
    EXECUTE format('CREATE TABLE public.by_hand_%s PARTITION OF public.by_hand FOR VALUES FROM (%L) TO (%L)', i,
        '2024-01-01 UTC'::timestamptz + i * interval '1 month', '2024-02-01 UTC'::timestamptz + i * interval '1 month');
END LOOP; END $$;
CREATE INDEX by_hand_at ON public.by_hand (at);
CREATE INDEX by_hand_amount ON public.by_hand (amount);
"""


def convert(database: Database) -> None:
    """From the first call to the swap: partitions, copy, indexes, statistics."""
    database.execute(
        "SELECT * FROM lifecycle.start_conversion('public.orders', lifecycle.by_range('at', '1 month'), "
        "key_mode => 'extend', premake => 0)"
    )
    database.execute("CALL lifecycle.convert_data('public.orders', 50000)")
    database.execute("CALL lifecycle.swap_tables('public.orders')")


def test_against_one_insert(database: Database) -> None:
    """The same rows into a table of the same shape, in one statement."""
    database.execute(TABLE)

    def before() -> None:
        if database.value("SELECT relkind FROM pg_class WHERE oid = 'public.orders'::regclass") == "p":
            database.execute("SELECT * FROM lifecycle.rollback_conversion('public.orders', dry_run => false)")
        database.execute("DROP TABLE IF EXISTS public.by_hand; " + BY_HAND + "CHECKPOINT")

    paired(
        f"conversion of {ROWS} rows, 2 indexes / INSERT ... SELECT into the indexed table",
        lambda: convert(database),
        lambda: database.execute("INSERT INTO public.by_hand SELECT * FROM public.orders"),
        goal="<= 1.00",
        rounds=3,
        before=before,
    )


def test_against_pg_partman(database: Database) -> None:
    """pg_partman moves the rows out of its default partition, one partition a transaction."""
    if not database.server.available("pg_partman"):
        pytest.skip("pg_partman is not installed on this server")
    database.execute(TABLE + "CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman")

    def before() -> None:
        if database.value("SELECT relkind FROM pg_class WHERE oid = 'public.orders'::regclass") == "p":
            database.execute("SELECT * FROM lifecycle.rollback_conversion('public.orders', dry_run => false)")
        database.execute("DROP TABLE IF EXISTS public.moved CASCADE")
        database.execute("DELETE FROM partman.part_config WHERE parent_table = 'public.moved'")
        database.execute(
            f"CREATE TABLE public.moved ({COLUMNS}, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); "
            "CREATE INDEX ON public.moved (at); CREATE INDEX ON public.moved (amount); "
            "SELECT partman.create_parent('public.moved', 'at', '1 month', p_premake => 1); "
            "INSERT INTO public.moved SELECT * FROM public.orders"
        )
        # Or autovacuum does it beside whoever comes first.
        database.execute("VACUUM (ANALYZE) public.orders, public.moved")
        database.execute("CHECKPOINT")

    paired(
        f"conversion of {ROWS} rows, 2 indexes / pg_partman partition_data_proc",
        lambda: convert(database),
        lambda: database.execute("CALL partman.partition_data_proc('public.moved')"),
        goal="<= 0.25",
        rounds=1,
        before=before,
    )


class Load(threading.Thread):
    """One session that writes one row a transaction, at its own pace whatever the server does."""

    def __init__(self, dsn: str, number: int, every: float) -> None:
        super().__init__(daemon=True)
        self.dsn, self.every, self.rng = dsn, every, random.Random(number)  # noqa: S311 - a schedule, no secret
        self.ids = itertools.count(10**7 + number, 1000)
        self.spent: list[float] = []
        self.phase: list[float] = self.spent
        self.stopped = threading.Event()

    def run(self) -> None:
        """Writes until it is stopped: updates, and every tenth time a new row."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute("SET synchronous_commit = off")
            while not self.stopped.wait(self.every):
                begin = time.perf_counter()
                if self.rng.random() < 0.1:
                    connection.execute(
                        "INSERT INTO public.orders VALUES (%s, '2024-05-05 Z', 1, 'new')", [next(self.ids)]
                    )
                else:
                    number = self.rng.randint(1, ROWS)
                    connection.execute("UPDATE public.orders SET amount = amount + 1 WHERE id = %s", [number])
                self.phase.append(time.perf_counter() - begin)


@contextlib.contextmanager
def loads(database: Database, count: int, every: float) -> Iterator[list[Load]]:
    """So many sessions that write."""
    sessions = [Load(database.dsn(), number, every) for number in range(count)]
    for load in sessions:
        load.start()
    try:
        yield sessions
    finally:
        for load in sessions:
            load.stopped.set()
        for load in sessions:
            load.join(60)


def during(sessions: list[Load], seconds: float = 0.0) -> list[float]:
    """A list that the transactions from now on go to; waits so long."""
    spent: list[float] = []
    for load in sessions:
        load.phase = spent
    time.sleep(seconds)
    return spent


@pytest.mark.parametrize("share", [100, 25])
def test_what_writers_notice(database: Database, share: int) -> None:
    """Four sessions, 50 transactions a second each: before, during and after; and beside a plain copy of the rows.

    Share is the setting conversion_share, in percent.
    """
    database.execute(TABLE)
    database.execute(f"SELECT lifecycle.set_setting('conversion_share', '{share}')")
    with loads(database, 4, 0.02) as sessions:
        during(sessions, 2)
        found = {"before": during(sessions, 10)}
        found["beside INSERT ... SELECT"] = during(sessions)
        database.execute(BY_HAND + "INSERT INTO public.by_hand SELECT * FROM public.orders; DROP TABLE public.by_hand")
        found["alone again"] = during(sessions, 10)
        # What the trigger by itself takes: nobody copies.
        database.execute("SELECT * FROM lifecycle.start_capture('public.orders', 'control')")
        found["with the capture alone"] = during(sessions, 10)
        database.execute("SELECT * FROM lifecycle.drop_capture('public.orders', 'control', dry_run => false)")
        found["during"] = during(sessions)
        database.execute(
            "SELECT * FROM lifecycle.start_conversion('public.orders', lifecycle.by_range('at', '1 month'), "
            "key_mode => 'extend', premake => 0)"
        )
        database.execute("CALL lifecycle.convert_data('public.orders', 5000, pause => '20 milliseconds')")
        found["swap"] = during(sessions)
        database.execute("CALL lifecycle.swap_tables('public.orders')")
        found["after"] = during(sessions, 10)
    for name, spent in found.items():
        cuts = statistics.quantiles(spent, n=100) if len(spent) > 1 else [0.0] * 99
        print(
            f"{ROWS} rows, writers {name:<26} p50 {cuts[49] * 1000:6.2f} ms  p99 {cuts[98] * 1000:6.2f} ms  "
            f"longest {max(spent, default=0) * 1000:7.1f} ms  of {len(spent)}",
            flush=True,
        )
    p99 = {name: statistics.quantiles(spent, n=100)[98] for name, spent in found.items() if len(spent) > 100}
    calm = max(p99["before"], p99["alone again"])
    captured = p99["with the capture alone"] / calm
    print(
        f"conversion_share {share} %, p99 during / before: {p99['during'] / calm:.2f}   goal <= 1.3   "
        f"(with the capture alone {captured:.2f})"
    )


@pytest.mark.parametrize("writers", [1, 8, 32])
def test_lock_of_the_swap(database: Database, writers: int) -> None:
    """How long the table is locked, there and back, while so many sessions write 100 rows a second each."""
    database.execute(TABLE)
    held, longest = [], []
    with loads(database, writers, 0.01) as sessions:
        for _ in range(3):
            database.execute(
                "SELECT * FROM lifecycle.start_conversion('public.orders', lifecycle.by_range('at', '1 month'), "
                "key_mode => 'extend', premake => 0)"
            )
            database.execute("CALL lifecycle.convert_data('public.orders', 20000)")
            spent = during(sessions)
            database.execute("CALL lifecycle.swap_tables('public.orders', max_attempts => 100)")
            found = [re.search(r"was locked for ([0-9.]+) ms", notice) for notice in database.notices]
            held.append(float([match[1] for match in found if match][-1]))
            time.sleep(0.5)  # for those who waited to be done
            longest.append(max(spent, default=0.0) * 1000)
            database.execute("SELECT * FROM lifecycle.rollback_conversion('public.orders', dry_run => false)")
    print(
        f"swap beside {writers} writers, {MONTHS} partitions: locked for {statistics.median(held):.0f} ms "
        f"(of {min(held):.0f} to {max(held):.0f}), longest write {statistics.median(longest):.0f} ms   goal < 100 ms"
    )
