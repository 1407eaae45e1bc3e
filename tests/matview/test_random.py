"""Random queries, random writes by several sessions, refreshes at any moment: at the end every view equals its query.

The same seed gives the same order. Nobody waits: a statement that meets a lock gives up and its transaction is rolled
back, so that the order is decided here and not by the server.
"""

from __future__ import annotations

import random

import psycopg
import pytest

pytestmark = pytest.mark.long

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
EXPECTED = ("40001", "40P01", "55P03", "23505")
# Of writers: no partition for a row, attached already, not attached or there already.
UNDONE = (*EXPECTED, "23514", "42809", "42P01", "42P07")
SCENE = """
CREATE TABLE public.a (id int PRIMARY KEY, k int, n int);
CREATE TABLE public.b (id int PRIMARY KEY, k int, n int) PARTITION BY RANGE (id);
CREATE TABLE public.b1 PARTITION OF public.b FOR VALUES FROM (0) TO (8);
CREATE TABLE public.b2 PARTITION OF public.b FOR VALUES FROM (8) TO (12);
CREATE TABLE public.b3 PARTITION OF public.b FOR VALUES FROM (12) TO (100);
INSERT INTO public.a SELECT g, g % 4, g FROM generate_series(1, 10) AS g;
INSERT INTO public.b SELECT g, g % 5, g FROM generate_series(1, 10) AS g;
CREATE INDEX ON public.a (k); CREATE INDEX ON public.b (k);
CREATE TABLE public.c (id int PRIMARY KEY, a int, n int);
INSERT INTO public.c SELECT g, g % 10, g FROM generate_series(1, 14) AS g;
CREATE INDEX ON public.c (a);
"""
PATH = '{"public.b": {"columns": ["id"], "query": "SELECT a.k FROM changed AS c JOIN public.a AS a ON a.id = c.id"}}'
MOVES = [
    "ALTER TABLE public.b DETACH PARTITION public.b3",
    "ALTER TABLE public.b ATTACH PARTITION public.b3 FOR VALUES FROM (12) TO (100)",
    "DROP TABLE IF EXISTS public.b4",
    "CREATE TABLE public.b4 PARTITION OF public.b FOR VALUES FROM (100) TO (200)",
]
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
    table, leaf = (rng.choice(("public.a", "public.b")), rng.choice(("public.b1", "public.b2")))
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
            f"TRUNCATE {rng.choice((table, leaf, 'public.c'))}",
            # Attached or not: on its own it is a table like any other.
            f"INSERT INTO public.b3 VALUES ({12 + one % 3}, {k}, {n}) ON CONFLICT (id) DO UPDATE SET k = excluded.k",
            f"UPDATE public.b3 SET n = {n}, k = {k}",
            rng.choice(MOVES),
            f"INSERT INTO public.b VALUES ({100 + one % 2}, {k}, {n})",
            f"INSERT INTO public.c VALUES ({one}, {other}, {n}) ON CONFLICT (id) DO UPDATE SET a = excluded.a",
            f"UPDATE public.c SET a = {other}, n = {n} WHERE id BETWEEN {one} AND {one + 1}",
            f"DELETE FROM public.c WHERE a = {one}",
            (
                f"MERGE INTO public.c AS t USING public.a AS s ON t.id = s.id WHEN MATCHED AND s.n > {n} THEN DELETE "
                f"WHEN MATCHED THEN UPDATE SET a = {other} WHEN NOT MATCHED THEN INSERT VALUES (s.id, {one}, s.n)"
            ),
        ],
        weights=[4, 3, 4, 3, 3, 3, 2, 2, 1, 2, 1, 1, 1, 3, 3, 2, 1],
    )[0]


def aggregates(rng: random.Random, name: str) -> str:
    """Some aggregates of a table."""
    every = ("count(*)", f"sum({name}.n)", f"max({name}.id)", f"bool_or({name}.n > 50)", f"count(DISTINCT {name}.n)")
    return ", ".join(f"{word} AS x{place}" for place, word in enumerate(rng.sample(every, 2)))


def question(rng: random.Random) -> tuple[str, str]:
    """A random query over the three tables, and its key."""
    one, n, left = rng.choice("ab"), rng.randint(1, 60), rng.choice(("", "LEFT "))
    where = rng.choice(("", f" WHERE {one}.n > {n}", f" WHERE {one}.n % 3 = 1 OR {one}.id < 5"))
    some, other = aggregates(rng, one), aggregates(rng, "c")
    having = rng.choice(("", " HAVING count(*) > 1", f" HAVING sum(c.n) < {n + 40}"))
    return rng.choice(
        [
            (f"SELECT k, {some} FROM public.{one}{where} GROUP BY k", "{k}"),
            (f"SELECT k, n, {some} FROM public.{one}{where} GROUP BY k, n", "{n,k}"),
            (f"SELECT a.k, {other} FROM public.a {left}JOIN public.c ON c.a = a.id GROUP BY a.k{having}", "{k}"),
            (f"SELECT a.k, a.id, {other} FROM public.a {left}JOIN public.c ON c.a = a.id GROUP BY 1, 2", "{k,id}"),
            (
                f"SELECT a.k, {aggregates(rng, 'b')} FROM public.a {left}JOIN public.c ON c.a = a.id "
                f"LEFT JOIN public.b ON b.id = c.n GROUP BY a.k",
                "{k}",
            ),
            (
                f"SELECT a.k, count(*) AS x FROM public.a WHERE {rng.choice(('', 'NOT '))}EXISTS (SELECT FROM public.c "
                f"WHERE c.a = a.id AND c.n > {n}) GROUP BY a.k",
                "{k}",
            ),
            (
                f"SELECT a.id, a.k, (SELECT {rng.choice(('sum', 'max'))}(c.n) FROM public.c WHERE c.a = a.id) AS x "
                f"FROM public.a",
                "{id}",
            ),
            (
                f"WITH t AS (SELECT c.a, {other} FROM public.c GROUP BY c.a) SELECT a.id, a.n, t.* FROM public.a "
                f"{left}JOIN t ON t.a = a.id",
                "{id}",
            ),
            (
                "SELECT a.id, l.n, l.id AS c FROM public.a CROSS JOIN LATERAL (SELECT c.n, c.id FROM public.c "
                "WHERE c.a = a.id ORDER BY c.n DESC, c.id LIMIT 1) AS l",
                "{id}",
            ),
            ("SELECT a.k, count(*) AS x FROM public.a JOIN public.a AS o ON o.id = a.n GROUP BY a.k", "{k}"),
            ("SELECT k, n, row_number() OVER (PARTITION BY k, id ORDER BY n) AS r, id FROM public.b", "{k,id}"),
        ]
    )


class Writer:
    """One session that writes in transactions of a few statements, in any isolation level."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection, self.left = connection, 0
        connection.execute("SET lock_timeout = '1ms'")

    def end(self) -> None:
        """Commits what is open."""
        try:
            self.connection.execute("COMMIT")
        except psycopg.errors.SerializationFailure:
            self.connection.execute("ROLLBACK")
        self.left = 0

    def step(self, rng: random.Random) -> None:
        """Begins, writes, or ends."""
        try:
            if self.left == 0 and rng.random() < 0.2:
                self.connection.execute(rng.choice(MOVES).encode())
            elif self.left == 0:
                self.connection.execute(f"BEGIN ISOLATION LEVEL {rng.choice(LEVELS)}".encode())
                self.left = rng.randint(2, 4)
            elif self.left == 1:
                self.left = 0
                self.connection.execute(rng.choice((b"COMMIT", b"COMMIT", b"COMMIT", b"ROLLBACK")))
            else:
                self.left -= 1
                self.connection.execute(write(rng).encode())
        except psycopg.Error as error:
            if error.sqlstate not in UNDONE:
                raise
            self.connection.execute("ROLLBACK")
            self.left = 0


def refresh(rng: random.Random, connection: psycopg.Connection, names: list[str]) -> None:
    """A refresh in small or large chunks, perhaps taken back or its session killed; or a lock is in the way."""
    try:
        connection.execute("BEGIN")
        connection.execute(
            "SELECT lifecycle.refresh_incremental_view(%s::regclass, %s)",
            [rng.choice(names), rng.choice((1, 3, 10000))],
        )
        end = rng.choice((b"COMMIT", b"COMMIT", b"COMMIT", b"ROLLBACK", b""))
        if end:
            connection.execute(end)
        else:
            connection.close()
    except psycopg.Error as error:
        if error.sqlstate not in EXPECTED:
            raise
        connection.execute("ROLLBACK")


def differences(database, names: list[str], queries: list[str] | None = None) -> dict[str, int]:
    """How many rows of each view are not those of its query."""
    found = {}
    for name, query in zip(names, queries or [query for query, _, _ in QUERIES], strict=True):
        mine, theirs = (f"SELECT x::text FROM {name} AS x", f"SELECT x::text FROM ({query}) AS x")
        found[name] = database.value(
            f"SELECT count(*) FROM (({mine} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {mine})) AS d"
        )
    return {name: number for name, number in found.items() if number}


def refresher(database) -> psycopg.Connection:
    """A session that refreshes and does not wait."""
    connection = database.connect()
    connection.execute("SET lock_timeout = '1ms'; SET lifecycle.lock_timeout = '1'; SET lifecycle.lock_attempts = '1'")
    return connection


def disturb(database, rng: random.Random, names: list[str], steps: int = 250) -> None:
    """Writes by four sessions and refreshes by two, in any order; then what is open is rolled back.

    Partitions come and go, mostly when nobody is at work: they need the table for themselves.
    """
    writers = [Writer(database.connect()) for _ in range(4)]
    refreshers = [refresher(database) for _ in range(2)]
    for _ in range(steps):
        who = rng.randrange(6)
        if who < len(writers):
            if rng.random() < 0.1:
                for writer in writers:
                    writer.end()
            writers[who].step(rng)
            continue
        refresh(rng, refreshers[who - 4], names)
        if refreshers[who - 4].closed:
            refreshers[who - 4] = refresher(database)
    for writer in writers:
        writer.connection.execute("ROLLBACK")


@pytest.mark.parametrize("seed", range(4))
def test_random_queries(database, seed):
    """What is accepted stays right; what cannot be kept is refused with a reason, and most is accepted."""
    database.execute(SCENE)
    rng = random.Random(1000 + seed)  # noqa: S311 - an order that can be repeated
    accepted: list[str] = []
    refused: list[str] = []
    for _ in range(14):
        query, key = question(rng)
        try:
            database.execute(
                "SELECT lifecycle.create_incremental_view(%s, %s, %s)", [f"public.v{len(accepted)}", query, key]
            )
            accepted.append(query)
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.ObjectNotInPrerequisiteState):
            refused.append(query)
    assert len(accepted) > len(refused), refused
    names = [f"public.v{number}" for number in range(len(accepted))]
    disturb(database, rng, names, 200)
    database.execute("SELECT lifecycle.refresh_incremental_view(target::regclass) FROM lifecycle.incremental_view")
    wrong = differences(database, names, accepted)
    assert wrong == {}, {name: accepted[int(name.removeprefix("public.v"))] for name in wrong}


@pytest.mark.parametrize("seed", range(3))
def test_any_order_ends_equal(database, seed):
    database.execute(SCENE)
    rng = random.Random(seed)  # noqa: S311 - an order that can be repeated
    names = [f"public.v{number}" for number in range(len(QUERIES))]
    for name, (query, key, sources) in zip(names, QUERIES, strict=True):
        database.execute("SELECT lifecycle.create_incremental_view(%s, %s, %s, %s)", [name, query, key, sources])
    disturb(database, rng, names)
    database.execute("SELECT lifecycle.refresh_incremental_view(target::regclass) FROM lifecycle.incremental_view")
    assert differences(database, names) == {}
    modes = dict(database.execute("SELECT mode, count(*) FROM lifecycle.materialized_view_refresh GROUP BY mode"))
    assert modes.get("incremental", 0) > 5, "the order has tried what it is meant to try"
    moved = "SELECT count(*) FROM lifecycle.materialized_view_refresh WHERE note LIKE '%were attached%'"
    assert database.value(moved) > 1, "and partitions have come and gone"


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
