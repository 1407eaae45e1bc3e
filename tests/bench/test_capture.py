"""What capture costs those who write: the same statement on the same table with and without it, a commit each."""

from __future__ import annotations

import itertools

import pytest
from bench.paired import paired

from harness.calls import call

TABLE = """
CREATE TABLE public.{name} (id bigint PRIMARY KEY, customer int NOT NULL, amount numeric, at timestamptz, note text);
CREATE INDEX ON public.{name} (customer);
CREATE INDEX ON public.{name} (at);
INSERT INTO public.{name} SELECT g, g % 1000, g, now(), repeat('x', 60) FROM generate_series(1, 50000) AS g;
VACUUM ANALYZE public.{name};
"""
# Each call writes other rows, as an application does.
STATEMENTS = {
    "insert, 100 rows": "INSERT INTO public.{name} SELECT {new} + g, g, g, now(), '' FROM generate_series(1, 100) AS g",
    "update, 100 rows": "UPDATE public.{name} SET amount = amount + 1 WHERE id > {old} AND id <= {old} + 100",
    "delete, 100 rows": "DELETE FROM public.{name} WHERE id > {gone} AND id <= {gone} + 100",
    "insert, one row": "INSERT INTO public.{name} VALUES ({new}, 1, 1, now(), repeat('y', 60))",
    "update, one row": "UPDATE public.{name} SET amount = amount + 1 WHERE id = {old}",
}


@pytest.mark.parametrize("synchronous", ["on", "off"])
@pytest.mark.parametrize("kind", STATEMENTS)
def test_write_cost(database, kind, synchronous):
    """Milliseconds are for a batch of statements: 20 of 100 rows, 200 of one row."""
    one = kind.endswith("one row")
    for name in ("captured", "plain"):
        for statement in TABLE.format(name=name).strip().split(";")[:-1]:
            database.execute(statement)
    call(database, "start_capture", target="public.captured", consumer="bench")
    connection = database.connect()
    connection.execute(f"SET synchronous_commit = {synchronous}")
    numbers = {name: itertools.count() for name in ("captured", "plain")}

    def work(name: str) -> None:
        for _ in range(200 if one else 20):
            number = next(numbers[name])
            connection.execute(
                STATEMENTS[kind].format(
                    name=name,
                    new=10**6 + number * 100,
                    old=number * 100 % 49900,
                    gone=number * 100,
                )
            )

    def before() -> None:
        connection.execute("DELETE FROM lifecycle_data.captured_bench_queue")

    work("captured")
    work("plain")
    paired(
        f"capture: {kind}, synchronous_commit {synchronous}",
        lambda: work("captured"),
        lambda: work("plain"),
        goal="<= 2.2x" if one else "<= 1.15x",
        rounds=15,
        before=before,
    )


def test_drain(database):
    """100,000 entries of 50,000 keys, against reading and deleting them by hand."""
    database.execute(TABLE.partition("VACUUM")[0].format(name="captured"))
    call(database, "start_capture", target="public.captured", consumer="bench")
    queue = "lifecycle_data.captured_bench_queue"
    connection = database.connect(autocommit=False)

    def before() -> None:
        connection.rollback()
        connection.execute(f"TRUNCATE {queue}")
        connection.execute(f"INSERT INTO {queue} (id) SELECT g % 50000 FROM generate_series(1, 100000) AS g")

    paired(
        "capture: drain 100,000 entries",
        lambda: connection.execute("SELECT lifecycle._drain(%s::regclass, 100000)", [queue]),
        lambda: connection.execute(
            f"WITH d AS (DELETE FROM {queue} RETURNING id) SELECT array_agg(DISTINCT id) FROM d"
        ),
        goal="-",
        rounds=5,
        before=before,
    )
