"""Random queries, random writes by several sessions, refreshes at any moment: at the end every view equals its query.

The same seed gives the same order. Nobody waits: a statement that meets a lock gives up and its transaction is rolled
back, so that the order is decided here and not by the server.
"""

from __future__ import annotations

import random

import psycopg
import pytest

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
EXPECTED = ("40001", "40P01", "55P03", "23505")
SCENE = """
CREATE TABLE public.a (id int PRIMARY KEY, k int, n int);
CREATE TABLE public.b (id int PRIMARY KEY, k int, n int) PARTITION BY RANGE (id);
CREATE TABLE public.b1 PARTITION OF public.b FOR VALUES FROM (0) TO (8);
CREATE TABLE public.b2 PARTITION OF public.b FOR VALUES FROM (8) TO (100);
INSERT INTO public.a SELECT g, g % 4, g FROM generate_series(1, 10) AS g;
INSERT INTO public.b SELECT g, g % 5, g FROM generate_series(1, 10) AS g;
CREATE INDEX ON public.a (k); CREATE INDEX ON public.b (k);
"""
PATH = '{"public.b": {"columns": ["id"], "query": "SELECT a.k FROM changed AS c JOIN public.a AS a ON a.id = c.id"}}'
# Query, key, sources.
QUERIES = [
    ("SELECT k, count(*) AS c, sum(n) AS s, max(id) AS m FROM public.a GROUP BY k HAVING count(*) < 4", "{k}", "{}"),
    ("SELECT k, n, count(*) AS c FROM public.a WHERE n % 3 <> 0 GROUP BY k, n", "{k,n}", "{}"),
    ("SELECT DISTINCT ON (k) k, id, n FROM public.b ORDER BY k, n DESC, id", "{k}", "{}"),
    ("SELECT id, k, rank() OVER (PARTITION BY k, id ORDER BY n) AS r FROM public.b", "{k,id}", "{}"),
    ("SELECT k, sum(n) AS n FROM (SELECT k, n FROM public.a UNION ALL SELECT k, n FROM public.b) AS u GROUP BY k",
     "{k}", "{}"),
    ("SELECT a.id, a.n, b.n AS other FROM public.a AS a LEFT JOIN public.b AS b ON b.id = a.id", "{id}", "{}"),
    ("SELECT a.k, sum(b.n) AS n FROM public.a AS a JOIN public.b AS b ON b.id = a.id GROUP BY a.k", "{k}", PATH),
    ("SELECT k, jsonb_agg(n ORDER BY n, id) AS j FROM public.a GROUP BY k", "{k}", "{}"),
]  # fmt: skip


def write(rng: random.Random) -> str:
    """One write of a kind that a view must follow."""
    table, leaf = rng.choice(("public.a", "public.b")), rng.choice(("public.b1", "public.b2"))
    one, other, n = rng.randint(1, 14), rng.randint(1, 14), rng.randint(1, 99)
    k = rng.choice(("0", "1", "2", "3", "NULL"))
    return rng.choices(
        [
            f"INSERT INTO {table} VALUES ({one}, {k}, {n}) ON CONFLICT (id) DO UPDATE SET n = excluded.n",
            (
                f"INSERT INTO {table} SELECT g, {k}, {n} FROM generate_series({one}, {one + 3}) AS g ON "
                f"CONFLICT DO NOTHING"
            ),
            f"UPDATE {table} SET k = {k} WHERE id BETWEEN {one} AND {one + 2}",
            f"UPDATE {table} SET n = {n} WHERE id = {one}",
            f"UPDATE {table} SET id = {other}, k = {k} WHERE id = {one}",
            f"DELETE FROM {table} WHERE id = {one}",
            f"DELETE FROM {table} WHERE k = {k} AND n > {n}",
            f"UPDATE {leaf} SET n = {n}, k = {k} WHERE id % 2 = {one % 2}",
            f"TRUNCATE {rng.choice((table, leaf))}",
        ],
        weights=[4, 3, 4, 3, 3, 3, 2, 2, 1],
    )[0]


class Writer:
    """One session that writes in transactions of a few statements, in any isolation level."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection, self.left = connection, 0
        connection.execute("SET lock_timeout = '1ms'")

    def step(self, rng: random.Random) -> None:
        """Begins, writes, or ends."""
        try:
            if self.left == 0:
                self.connection.execute(f"BEGIN ISOLATION LEVEL {rng.choice(LEVELS)}".encode())
                self.left = rng.randint(2, 4)
            elif self.left == 1:
                self.left = 0
                self.connection.execute(rng.choice((b"COMMIT", b"COMMIT", b"COMMIT", b"ROLLBACK")))
            else:
                self.left -= 1
                self.connection.execute(write(rng).encode())
        except psycopg.Error as error:
            if error.sqlstate not in EXPECTED:
                raise
            self.connection.execute("ROLLBACK")
            self.left = 0


def refresh(rng: random.Random, connection: psycopg.Connection, names: list[str]) -> None:
    """A refresh in small or large chunks that may be taken back; a lock in the way is a refresh that did not happen."""
    try:
        connection.execute("BEGIN")
        connection.execute(
            "SELECT lifecycle.refresh_incremental_view(%s::regclass, %s)",
            [rng.choice(names), rng.choice((1, 3, 10000))],
        )
        connection.execute(rng.choice((b"COMMIT", b"COMMIT", b"ROLLBACK")))
    except psycopg.Error as error:
        if error.sqlstate not in EXPECTED:
            raise
        connection.execute("ROLLBACK")


def differences(database, names: list[str]) -> dict[str, int]:
    """How many rows of each view are not those of its query."""
    found = {}
    for name, (query, _, _) in zip(names, QUERIES, strict=True):
        mine, theirs = f"SELECT x::text FROM {name} AS x", f"SELECT x::text FROM ({query}) AS x"
        found[name] = database.value(
            f"SELECT count(*) FROM (({mine} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {mine})) AS d"
        )
    return {name: number for name, number in found.items() if number}


@pytest.mark.parametrize("seed", range(3))
def test_any_order_ends_equal(database, seed):
    database.execute(SCENE)
    rng = random.Random(seed)  # noqa: S311 - an order that can be repeated
    names = [f"public.v{number}" for number in range(len(QUERIES))]
    for name, (query, key, sources) in zip(names, QUERIES, strict=True):
        database.execute("SELECT lifecycle.create_incremental_view(%s, %s, %s, %s)", [name, query, key, sources])
    writers = [Writer(database.connect()) for _ in range(3)]
    refresher = database.connect()
    refresher.execute("SET lock_timeout = '1ms'; SET lifecycle.lock_attempts = '1'")
    for _ in range(250):
        who = rng.randrange(5)
        if who < len(writers):
            writers[who].step(rng)
        else:
            refresh(rng, refresher, names)
    for writer in writers:
        writer.connection.execute("ROLLBACK")
    database.execute("SELECT lifecycle.refresh_incremental_view(target::regclass) FROM lifecycle.incremental_view")
    assert differences(database, names) == {}
    modes = dict(database.execute("SELECT mode, count(*) FROM lifecycle.materialized_view_refresh GROUP BY mode"))
    assert modes.get("incremental", 0) > 5, "the order has tried what it is meant to try"


def test_a_lost_entry_would_be_noticed(database):
    """The control: with one entry taken away the comparison fails."""
    database.execute(SCENE)
    names = [f"public.v{number}" for number in range(len(QUERIES))]
    for name, (query, key, sources) in zip(names, QUERIES, strict=True):
        database.execute(
            "SELECT lifecycle.create_incremental_view(%s, %s, %s, %s, at_once => true)", [name, query, key, sources]
        )
    database.execute("UPDATE public.a SET n = 1 WHERE id = 4; DELETE FROM lifecycle_data.a_public_v0_1_queue")
    database.execute("SELECT lifecycle.refresh_incremental_view(target::regclass) FROM lifecycle.incremental_view")
    assert differences(database, names) == {"public.v0": 2}
