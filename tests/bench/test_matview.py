"""What the orchestration of refreshes costs against the bare statements, and what an incremental refresh saves.

PG_LIFECYCLE_BENCH_ROWS (default 3,000,000) makes the latter smaller for a quick run.
"""

from __future__ import annotations

import itertools
import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from bench.paired import paired, processor_clock

from harness.databases import Database

VIEWS = 50


def processor(database: Database):
    """The clock of the session of this database, or None."""
    ((pid, name),) = database.execute("SELECT pg_backend_pid(), current_database()")
    return processor_clock(pid, name)


def test_refresh_of_many_views(database: Database) -> None:
    """50 materialized views over 300,000 rows, against 50 REFRESH statements: in one transaction, and in one each."""
    database.execute(
        "CREATE TABLE public.reading AS SELECT i AS id, i % 1000 AS k FROM generate_series(1, 300000) AS i"
    )
    for number in range(VIEWS):
        database.execute(
            f"CREATE MATERIALIZED VIEW public.m{number} AS "
            f"SELECT k, count(*) AS n FROM public.reading WHERE id % {number + 2} = 0 GROUP BY k"
        )
    database.execute("SET max_parallel_workers_per_gather = 0")  # two cores: workers would come or not come
    statements = [f"REFRESH MATERIALIZED VIEW public.m{number}" for number in range(VIEWS)]
    bare = ";".join(statements)
    outside = []

    def ours() -> None:
        begin = time.perf_counter()
        spent = database.value(
            "SELECT sum(refresh_time_ms) FROM lifecycle.refresh_all_materialized_views(concurrent => false)"
        )
        outside.append(100 * (1 - float(spent) / 1000 / (time.perf_counter() - begin)))

    paired(
        f"refresh of {VIEWS} materialized views / REFRESH statements",
        ours,
        lambda: database.execute(f"BEGIN; {bare}; COMMIT"),
        goal="<= 1.05",
        rounds=15,
        processor=processor(database),
    )
    paired(
        f"CALL for {VIEWS} materialized views / REFRESH, each a transaction",
        lambda: database.execute("CALL lifecycle.refresh_materialized_views(concurrent => false)"),
        lambda: [database.execute(statement) for statement in statements],
        goal="<= 1.05",
        rounds=15,
        processor=processor(database),
    )
    print(f"  of the time of the function, outside the REFRESH statements: {statistics.median(outside):.1f} %")


ROWS = int(os.environ.get("PG_LIFECYCLE_BENCH_ROWS", "3000000"))
KEYS = ROWS // 30
TOTALS = (
    "SELECT customer, count(*) AS orders, sum(amount) AS amount, avg(amount) AS mean, max(amount) AS largest "
    "FROM public.orders GROUP BY customer"
)


def test_incremental_refresh(database: Database) -> None:
    """Every third row of so many keys is written, other keys in each round; then both are brought up to date.

    By hand is the floor: one statement that computes and writes the same keys, which it is told, into a table of its
    own. What an incremental refresh takes more is for finding the keys, for looking whether nothing was missed, and
    for writing down what it did. The processor time leaves out parallel workers,
    which only the REFRESH statements have: it compares with what is done by hand.
    """
    database.execute(
        "CREATE TABLE public.orders (id int PRIMARY KEY, customer int, amount numeric); INSERT INTO public.orders "
        f"SELECT g, g % {KEYS}, g FROM generate_series(1, {ROWS}) AS g"
    )
    database.execute("CREATE INDEX ON public.orders (customer)")
    database.execute("VACUUM ANALYZE public.orders")
    database.execute(
        "SELECT lifecycle.create_incremental_view('public.inc', %s, '{customer}', at_once => true)", [TOTALS]
    )
    for name in ("plain", "concurrent"):
        database.execute(f"CREATE MATERIALIZED VIEW public.{name} AS {TOTALS}")
        database.execute(f"CREATE UNIQUE INDEX ON public.{name} (customer)")
    database.execute(f"CREATE TABLE public.hand WITH (fillfactor = 80) AS {TOTALS}")
    database.execute("CREATE UNIQUE INDEX ON public.hand (customer)")
    rounds = itertools.count()
    clock = processor(database)
    keys = ""

    def write(number: int) -> None:
        """Before each pair, not before each of the two: both have the same to do."""
        nonlocal keys
        turn = next(rounds)
        if turn % 2 == 0:
            keys = f"SELECT (g * {KEYS // number} + {turn // 2}) % {KEYS} FROM generate_series(0, {number - 1}) AS g"
            database.execute(f"UPDATE public.orders SET amount = amount + 1 WHERE id % 3 = 0 AND customer IN ({keys})")

    def by_hand() -> None:
        listed = database.value(f"SELECT array_agg(k)::text FROM ({keys}) AS u (k)")
        begin = time.perf_counter()
        database.execute(
            f"INSERT INTO public.hand AS t {TOTALS.replace('GROUP', 'WHERE customer = ANY (%s::int[]) GROUP')} "
            "ON CONFLICT (customer) DO UPDATE SET (orders, amount, mean, largest) = "
            "(excluded.orders, excluded.amount, excluded.mean, excluded.largest)",
            [listed],
        )
        floor.append(time.perf_counter() - begin)

    for per_mille, goal in ((0.1, "0.001"), (1, "0.005"), (10, "0.04"), (100, "0.2")):
        number = max(1, int(KEYS * per_mille / 1000))
        database.execute("VACUUM ANALYZE public.orders")
        database.execute("VACUUM ANALYZE public.inc")
        database.execute("VACUUM ANALYZE public.hand")
        database.execute("SELECT lifecycle.refresh_incremental_view('public.inc')")
        floor: list[float] = []
        concurrently = paired(
            f"incremental refresh / REFRESH CONCURRENTLY, {number} of {KEYS} keys",
            lambda: database.execute("SELECT lifecycle.refresh_incremental_view('public.inc')"),
            lambda: database.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY public.concurrent"),
            before=lambda number=number: write(number),
            goal=f"<= {goal}",
            rounds=5,
            processor=clock,
        )
        for title, other in (
            ("REFRESH", lambda: database.execute("REFRESH MATERIALIZED VIEW public.plain")),
            ("by hand", by_hand),
        ):
            paired(
                f"incremental refresh / {title}, {number} of {KEYS} keys",
                lambda: database.execute("SELECT lifecycle.refresh_incremental_view('public.inc')"),
                other,
                before=lambda number=number: write(number),
                goal="-",
                rounds=5,
                processor=clock,
            )
        print(
            f"  times faster than CONCURRENTLY: {1 / concurrently.median:.0f} (best {1 / concurrently.best:.0f}); "
            f"by hand {statistics.median(concurrently.other) / statistics.median(floor):.0f}"
        )
    assert database.execute("SELECT finding FROM lifecycle.verify_incremental_view('public.inc')") == [("equal",)]


@pytest.mark.requires("pg_ivm")
@pytest.mark.parametrize("clients", [1, 8])
def test_writing_beside_pg_ivm(database: Database, clients: int) -> None:
    """One-row updates: what writers pay. pg_ivm's view is up to date at each commit, ours at the next refresh."""
    database.execute("CREATE EXTENSION pg_ivm")
    for name in ("ours", "ivm"):
        database.execute(
            f"CREATE TABLE public.{name} (id int PRIMARY KEY, customer int, amount numeric);"
            f"INSERT INTO public.{name} SELECT g, g % 1000, g FROM generate_series(1, 100000) AS g;"
            f"CREATE INDEX ON public.{name} (customer); ANALYZE public.{name}"
        )
    query = "SELECT customer, count(*) AS n, sum(amount) AS amount FROM public.{} GROUP BY customer"
    database.execute(
        "SELECT lifecycle.create_incremental_view('public.total', %s, '{customer}', at_once => true)",
        [query.format("ours")],
    )
    database.execute("SELECT pgivm.create_immv('immv', %s)", [query.format("ivm")])
    connections = [database.connect() for _ in range(clients)]

    def work(table: str) -> None:
        def client(number: int) -> None:
            for turn in range(50):
                connections[number].execute(
                    f"UPDATE public.{table} SET amount = amount + 1 WHERE id = {1 + number * 1000 + turn}".encode()
                )

        with ThreadPoolExecutor(clients) as threads:
            list(threads.map(client, range(clients)))

    paired(
        f"one-row updates under an incremental view / under pg_ivm, {clients} clients",
        lambda: work("ours"),
        lambda: work("ivm"),
        goal="<= 0.05",
        rounds=5,
    )
    stale = database.value(
        "SELECT count(*) FROM public.total AS t JOIN (SELECT customer, sum(amount) AS amount FROM public.ours GROUP BY "
        "customer) AS o USING (customer) WHERE o.amount <> t.amount"
    )
    ((note, milliseconds),) = database.execute(
        "SELECT note, refresh_time_ms FROM lifecycle.refresh_incremental_view('public.total')"
    )
    print(
        f"  freshness: pg_ivm 0 rows old (each writer keeps its view up to date, and waits for the others); ours "
        f"{stale} rows old until a refresh of {milliseconds} ms ({note})"
    )
