"""What capture costs those who write: the same statement on the same table with and without it, a commit each."""

from __future__ import annotations

import itertools
import statistics
import time

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


# What a trigger costs that does less and less: the last one writes the keys into a table without anything else in it.
CONTROLS = {
    "a trigger that returns at once": "",
    "a trigger that counts its rows": "PERFORM count(*) FROM rows_of",
    "a trigger that writes the keys into a bare table": "INSERT INTO public.{queue} SELECT id FROM rows_of",
}
CONTROL = """
CREATE TABLE public.{queue} (id bigint);
CREATE FUNCTION public.{queue}() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {body}; RETURN NULL; END';
CREATE TRIGGER i AFTER INSERT ON public.{name} REFERENCING NEW TABLE AS rows_of EXECUTE FUNCTION public.{queue}();
CREATE TRIGGER u AFTER UPDATE ON public.{name} REFERENCING NEW TABLE AS rows_of EXECUTE FUNCTION public.{queue}();
CREATE TRIGGER d AFTER DELETE ON public.{name} REFERENCING OLD TABLE AS rows_of EXECUTE FUNCTION public.{queue}();
"""


def test_what_of_it_is_the_trigger(database):
    """The same statements on tables whose triggers do less: what is left when nothing is queued at all."""
    names = {"plain": "plain", "capture": "captured"}
    for number, title in enumerate(CONTROLS):
        names[title] = f"control{number}"
    for title, name in names.items():
        for statement in TABLE.format(name=name).strip().split(";")[:-1]:
            database.execute(statement)
        if title in CONTROLS:
            queue = f"{name}_queue"
            body = CONTROLS[title].format(queue=queue) or "NULL"
            database.execute(CONTROL.format(name=name, queue=queue, body=body))
    call(database, "start_capture", target="public.captured", consumer="bench")
    connection = database.connect()
    connection.execute("SET synchronous_commit = off")
    spent = {(kind, title): [] for kind in STATEMENTS for title in names}
    for number in range(380):
        for kind, statement in STATEMENTS.items():
            for title in list(names)[:: 1 if number % 2 else -1]:
                new = (10**6 if kind.endswith("rows") else 10**7) + number * 100
                text = statement.format(name=names[title], new=new, old=49900 - number * 20, gone=number * 100)
                begin = time.perf_counter()
                connection.execute(text)
                spent[kind, title].append(time.perf_counter() - begin)
    for title in list(names)[1:]:
        ratios = (statistics.median(spent[k, title]) / statistics.median(spent[k, "plain"]) for k in STATEMENTS)
        print(f"{title:<50}", *(f"{kind} {ratio:.2f}" for kind, ratio in zip(STATEMENTS, ratios, strict=True)))


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
