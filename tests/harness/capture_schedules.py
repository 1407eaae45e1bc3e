"""Real sessions whose statements are interleaved by a seed: the same seed gives the same order, hence the same losses.

Writers work in every isolation level on rows that they share; one drainer keeps a copy in step with what they commit.
Nobody waits: a statement that meets a lock gives up at once and its transaction is rolled back. At the end the copy
must equal the source, or the design of the capture has lost a change.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from harness.databases import Database, Rows, run

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
EXPECTED = ("40001", "40P01", "55P03", "23505", "21000", "23514")
IDS, GROUPS = 12, 3

PLAIN = """
CREATE TABLE public.src (id int PRIMARY KEY, grp int NOT NULL, val int NOT NULL);
CREATE TABLE public.copy (LIKE public.src INCLUDING ALL);
"""
PARTITIONED = """
CREATE TABLE public.src (id int, grp int, val int NOT NULL, PRIMARY KEY (id, grp)) PARTITION BY LIST (grp);
CREATE TABLE public.src_0 PARTITION OF public.src FOR VALUES IN (0);
CREATE TABLE public.src_rest (val int NOT NULL, grp int NOT NULL, id int NOT NULL) PARTITION BY RANGE (grp);
ALTER TABLE public.src ATTACH PARTITION public.src_rest FOR VALUES IN (1, 2);
CREATE TABLE public.src_1 PARTITION OF public.src_rest FOR VALUES FROM (1) TO (2);
CREATE TABLE public.src_2 PARTITION OF public.src_rest FOR VALUES FROM (2) TO (3);
CREATE TABLE public.copy (id int, grp int, val int NOT NULL, PRIMARY KEY (id, grp));
"""
START = "INSERT INTO public.src SELECT g, g % 3, 0 FROM generate_series(1, 12, 2) AS g"
DIFFERENCE = """
SELECT count(*) FROM (
    (SELECT * FROM {source} EXCEPT ALL SELECT * FROM {copy}) UNION ALL
    (SELECT * FROM {copy} EXCEPT ALL SELECT * FROM {source})
) AS d
"""

Round = Iterator[None]
Drainer = Callable[[psycopg.Connection], Round]


def operation(rng: random.Random, partitioned: bool = False) -> str:
    """One write of a kind that a capture must see."""
    one, other, grp, val = (
        rng.randint(1, IDS),
        rng.randint(1, IDS),
        rng.randrange(GROUPS),
        rng.randint(1, 10**6),
    )
    leaf = f"public.src_{grp}"
    conflict = "(id, grp)" if partitioned else "(id)"
    kinds = [
        f"INSERT INTO public.src VALUES ({one}, {grp}, {val})",
        f"INSERT INTO public.src SELECT g, {grp}, {val} FROM generate_series({one}, {one + 3}) AS g"
        " ON CONFLICT DO NOTHING",
        (
            f"INSERT INTO public.src VALUES ({one}, {grp}, {val}), ({one + 1}, {grp}, {val})"
            f" ON CONFLICT {conflict} DO UPDATE SET val = excluded.val"
        ),
        f"UPDATE public.src SET val = {val} WHERE id BETWEEN {one} AND {one + 2}",
        f"UPDATE public.src SET val = {val} WHERE id = {one}",
        f"UPDATE public.src SET id = {other}, val = {val} WHERE id = {one}",
        f"UPDATE public.src SET grp = {grp} WHERE id = {one}",
        f"DELETE FROM public.src WHERE id = {one}",
        f"DELETE FROM public.src WHERE grp = {grp} AND id > {one}",
        (
            f"MERGE INTO public.src AS s USING (VALUES ({one}, {grp}), ({other}, {grp})) AS v (id, grp)"
            f" ON s.id = v.id AND s.grp = v.grp WHEN MATCHED AND s.id % 2 = 0 THEN DELETE"
            f" WHEN MATCHED THEN UPDATE SET val = {val}"
            f" WHEN NOT MATCHED THEN INSERT (id, grp, val) VALUES (v.id, v.grp, {val})"
        ),
        "TRUNCATE public.src",
        f"COPY public.src (id, grp, val) FROM STDIN {one} {grp} {val}",
    ]
    if partitioned:
        kinds += [
            f"INSERT INTO {leaf} (id, grp, val) VALUES ({one}, {grp}, {val})",
            f"UPDATE {leaf} SET val = {val} WHERE id = {one}",
            f"DELETE FROM {leaf} WHERE id = {one}",
            f"UPDATE public.src_rest SET grp = {rng.choice((1, 2))} WHERE id = {one}",
            f"TRUNCATE {leaf}",
        ]
    return rng.choice(kinds)


def write(connection: psycopg.Connection, statement: str) -> None:
    """Runs an operation."""
    if not statement.startswith("COPY"):
        run(connection, statement)
        return
    head, _, values = statement.partition(" STDIN ")
    with connection.cursor().copy(f"{head} STDIN") as copy:  # type: ignore[arg-type]
        copy.write_row(values.split())


class Writer:
    """One session that writes in transactions of a few statements."""

    def __init__(
        self,
        database: Database,
        rng: random.Random,
        operations: Callable[[random.Random], str],
    ) -> None:
        self.connection = quick(database)
        self._rng = rng
        self._operations = operations
        self._left = 0
        self._open = False

    def step(self) -> None:
        """Begins, writes, or ends."""
        if not self._open:
            run(self.connection, f"BEGIN ISOLATION LEVEL {self._rng.choice(LEVELS)}")
            self._open, self._left = True, self._rng.randint(1, 3)
            return
        statement = self._operations(self._rng) if self._left else self._rng.choice(["COMMIT"] * 7 + ["ROLLBACK"])
        self._left -= 1
        try:
            write(self.connection, statement)
            self._open = self._left >= 0
        except psycopg.Error as error:
            expect(error, statement)
            run(self.connection, "ROLLBACK")
            self._open = False

    def finish(self) -> None:
        """Goes on until the transaction has ended."""
        while self._open:
            self.step()


def seeded(seed: int) -> random.Random:
    """The source of all choices of a run."""
    return random.Random(seed)  # noqa: S311 - a schedule, no secret


def expect(error: psycopg.Error, what: str) -> None:
    """Lets pass what meeting another session may bring."""
    if error.sqlstate not in EXPECTED:
        raise AssertionError(f"{what}: {error}") from error


def quick(database: Database) -> psycopg.Connection:
    """A connection that waits for no lock."""
    connection = database.connect()
    run(connection, "SET lock_timeout = '1ms'")
    return connection


def interleave(
    database: Database,
    seed: int,
    drainer: Drainer,
    *,
    source: str = "public.src",
    copy: str = "public.copy",
    operations: Callable[[random.Random], str] = operation,
    steps: int = 100,
) -> int:
    """Runs one schedule and returns how many rows of the copy are wrong at its end."""
    rng = seeded(seed)
    writers = [Writer(database, rng, operations) for _ in range(3)]
    connection = quick(database)
    turn = drainer(connection)
    for _ in range(steps):
        who = rng.randrange(len(writers) + 2)
        if who < len(writers):
            writers[who].step()
        else:
            turn = advance(connection, turn, drainer)
    for writer in writers:
        writer.finish()
        writer.connection.close()
    for _ in range(4):  # what was begun, and then rounds that see everything
        for _ in turn:
            pass
        turn = drainer(connection)
    connection.close()
    return int(database.value(DIFFERENCE.format(source=source, copy=copy)))


def advance(connection: psycopg.Connection, turn: Round, drainer: Drainer) -> Round:
    """One statement of the drainer; a new round when one is over, or broke off on a lock."""
    try:
        next(turn)
    except StopIteration:
        return drainer(connection)
    except psycopg.Error as error:
        expect(error, "a round of the drainer")
        run(connection, "ROLLBACK")
        return drainer(connection)
    return turn


def drain(
    connection: psycopg.Connection, queue: str, max_rows: int = 1000
) -> tuple[int, bool, list[str] | None, str | None]:
    """One call of the helper under test."""
    (row,) = run(
        connection,
        "SELECT d.* FROM lifecycle._drain(%s::regclass, %s) AS d",
        [queue, max_rows],
    )
    return row  # type: ignore[return-value]


def table_of(connection: psycopg.Connection, queue: str, keys: list[str]) -> str:
    """The drained keys as a table k, for FROM."""
    ((text,),) = run(connection, "SELECT lifecycle._drained_keys(%s::regclass, %s)", [queue, keys])
    return str(text)


def apply_keys(
    connection: psycopg.Connection,
    queue: str,
    keys: list[str] | None,
    all_rows: bool,
    columns: tuple[str, ...] = ("id",),
) -> Rows:
    """Brings the copy in step for the keys that were drained: delete, then copy their present state."""
    if all_rows:
        return run(
            connection,
            "DELETE FROM public.copy; INSERT INTO public.copy TABLE public.src",
        )
    if keys is None:
        return []
    given = table_of(connection, queue, keys)
    match = " AND ".join(f"r.{column} = k.{column}" for column in columns)
    return run(
        connection,
        f"DELETE FROM public.copy AS r USING {given} WHERE {match};"
        f"INSERT INTO public.copy SELECT r.* FROM public.src AS r JOIN {given} ON {match}",
    )


def keeper(queue: str, max_rows: int = 1000, columns: tuple[str, ...] = ("id",)) -> Drainer:
    """The consumer as it should be: the first round copies, the others drain."""
    copied: list[Any] = []

    def round_(connection: psycopg.Connection) -> Round:
        run(connection, "BEGIN")
        yield
        if not copied:
            run(
                connection,
                "DELETE FROM public.copy; INSERT INTO public.copy TABLE public.src",
            )
            yield
            run(connection, "COMMIT")
            copied.append(True)
            return
        _, all_rows, keys, problem = drain(connection, queue, max_rows)
        assert problem is None, problem
        yield
        apply_keys(connection, queue, keys, all_rows, columns)
        yield
        run(connection, "COMMIT")

    return round_
