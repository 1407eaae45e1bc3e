"""What the orchestration of refreshes costs against the bare statements, and what an incremental refresh saves.

PG_LIFECYCLE_BENCH_ROWS (default 3,000,000) makes the latter smaller for a quick run.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from bench.paired import paired

from harness.databases import Database

VIEWS = 50


def test_refresh_of_many_views(database: Database) -> None:
    """50 materialized views over 300,000 rows, against 50 REFRESH statements in one transaction."""
    database.execute(
        "CREATE TABLE public.reading AS SELECT i AS id, i % 1000 AS k FROM generate_series(1, 300000) AS i"
    )
    for number in range(VIEWS):
        database.execute(
            f"CREATE MATERIALIZED VIEW public.m{number} AS "
            f"SELECT k, count(*) AS n FROM public.reading WHERE id % {number + 2} = 0 GROUP BY k"
        )
    bare = ";".join(f"REFRESH MATERIALIZED VIEW public.m{number}" for number in range(VIEWS))
    paired(
        f"refresh of {VIEWS} materialized views / REFRESH statements",
        lambda: database.execute("SELECT * FROM lifecycle.refresh_all_materialized_views(concurrent => false)"),
        lambda: database.execute(f"BEGIN; {bare}; COMMIT"),
        goal="<= 1.05",
        rounds=5,
    )


ROWS = int(os.environ.get("PG_LIFECYCLE_BENCH_ROWS", "3000000"))
KEYS = ROWS // 30
TOTALS = (
    "SELECT customer, count(*) AS orders, sum(amount) AS amount, avg(amount) AS mean, max(amount) AS largest "
    "FROM public.orders GROUP BY customer"
)


def test_incremental_refresh(database: Database) -> None:
    """Every third row of so many keys is written; then both are brought up to date, the writes untimed."""
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
    database.execute("VACUUM ANALYZE public.inc")
    for per_mille, goal in ((0.1, "0.001"), (1, "0.005"), (10, "0.04"), (100, "0.2")):
        keys = max(1, int(KEYS * per_mille / 1000))
        write = (
            "UPDATE public.orders SET amount = amount + 1 WHERE id % 3 = 0 AND customer IN "
            f"(SELECT g * {KEYS // keys} FROM generate_series(0, {keys - 1}) AS g)"
        )
        for mode, option in (("CONCURRENTLY", "CONCURRENTLY public.concurrent"), ("plain", "public.plain")):
            paired(
                f"incremental refresh / REFRESH {mode}, {keys} of {KEYS} keys changed",
                lambda: database.execute("SELECT lifecycle.refresh_incremental_view('public.inc')"),
                lambda option=option: database.execute(f"REFRESH MATERIALIZED VIEW {option}"),
                before=lambda write=write: database.execute(write),
                goal=f"<= {goal}" if mode == "CONCURRENTLY" else "-",
                rounds=3,
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
