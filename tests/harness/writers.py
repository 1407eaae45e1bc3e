"""Sessions that write for as long as they are let, each change to a table and, in the same transaction, to a reference.

What a statement really changed is taken from its RETURNING and done to the reference: so the reference is right in
every isolation level, whatever is converted, swapped, killed or restarted meanwhile. At the end both must
hold the same rows.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import psycopg

LEVELS = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")
# What meeting another session may bring, and what a lost server says.
EXPECTED = ("40001", "40P01", "55P03", "57P01", "57P02", "57P03")

TABLE = """
CREATE TABLE public.{name} (
    id int CONSTRAINT {name}_pkey PRIMARY KEY,
    region text NOT NULL,
    status text NOT NULL,
    at timestamptz NOT NULL,
    amount int NOT NULL,
    note text
);
"""
FILL = """
INSERT INTO public.{name}
SELECT i, (ARRAY['eu', 'us', 'ap'])[1 + i % 3], (ARRAY['open', 'paid', 'done'])[1 + i / 3 % 3],
    '2024-01-15'::timestamptz + i / 9 % 12 * interval '1 month', i, NULLIF(repeat('x', i % 50), '')
FROM generate_series({first}, {last}, {step}) AS i
"""
DIFFERENCE = """
SELECT count(*) FROM (
    (SELECT t.* FROM public.orders AS t EXCEPT ALL SELECT r.* FROM public.reference AS r) UNION ALL
    (SELECT r.* FROM public.reference AS r EXCEPT ALL SELECT t.* FROM public.orders AS t)
) AS d
"""
PAUSE = 0.01  # seconds between two transactions of a writer
STRIDE = 64  # ids of one writer lie so far apart: no two writers ever make the same id

Row = tuple[Any, ...]


class Writer(threading.Thread):
    """One session. Its choices come from its seed, their order among the writers from the machine."""

    def __init__(self, dsn: str, number: int, seed: int, rows: int, first_id: int) -> None:
        super().__init__(name=f"writer {number}", daemon=True)
        self.dsn, self.number, self.lock_timeout = dsn, number, "0"
        self.rng = random.Random(f"{seed}.{number}")  # noqa: S311 - a schedule, no secret
        self.ids = itertools.count((first_id // STRIDE + 1) * STRIDE + number, STRIDE)
        self.newest = first_id
        self.rows = rows
        self.level = LEVELS[number % 3]
        self.done = 0  # transactions committed
        self.longest = 0.0  # the longest a transaction took, in seconds
        self.errors: list[str] = []  # what nobody expected
        self.gave_up: list[str] = []  # SQLSTATEs of transactions that were begun anew
        self.kinds: set[str] = set()
        self._stop_asked = threading.Event()
        self._connection: psycopg.Connection | None = None

    def stop(self) -> None:
        """Asks it to end with its transaction."""
        self._stop_asked.set()

    def run(self) -> None:
        """Writes until it is stopped."""
        while not self._stop_asked.is_set():
            try:
                # The machine is to have some time left for what is tested.
                self._stop_asked.wait(PAUSE)
                begin = time.monotonic()
                self._transaction(self._connected())
                self.longest = max(self.longest, time.monotonic() - begin)
                self.done += 1
            except psycopg.Error as error:
                lost = self._connection is None or self._connection.broken or self._connection.closed
                if not lost and error.sqlstate not in EXPECTED:
                    self.errors.append(f"{self.name}: {error.sqlstate} {error}")
                    return
                self.gave_up.append(error.sqlstate or "lost")
                if lost:
                    time.sleep(0.01)  # a server that recovers is not helped by thousands of attempts
                with contextlib.suppress(psycopg.Error):
                    if self._connection is not None:
                        self._connection.rollback()
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> psycopg.Connection:
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = None
            self._connection = psycopg.connect(self.dsn, application_name=self.name, connect_timeout=10)
            self._connection.execute(f"SET lock_timeout = '{self.lock_timeout}'")
            self._connection.commit()
        return self._connection

    def _transaction(self, connection: psycopg.Connection) -> None:
        connection.execute(f"SET TRANSACTION ISOLATION LEVEL {self.level}")
        for _ in range(self.rng.randint(1, 3)):
            kind = self.rng.choice(KINDS)
            kind(self, connection)
            self.kinds.add(kind.__name__)
        connection.commit()

    # What the operations are made of.

    def some_id(self) -> int:
        """An id that may exist: of the rows that were there, or of one that this writer made lately."""
        return self.rng.choice([self.rng.randint(1, self.rows), self.newest - STRIDE * self.rng.randint(0, 20)])

    def new_row(self) -> Row:
        """A row with an id that nobody has or had."""
        self.newest = next(self.ids)
        return (self.newest, *self.place(), self.rng.randint(1, 10**6), self.rng.choice([None, "", "y" * 40]))

    def place(self) -> Row:
        """A partition, on each of its levels."""
        month = self.rng.randint(1, 12)
        return (self.rng.choice(["eu", "us", "ap"]), self.rng.choice(["open", "paid", "done"]), f"2024-{month:02}-15 Z")


def gone(connection: psycopg.Connection, ids: Sequence[int]) -> None:
    """Deletes rows of the reference."""
    connection.execute("DELETE FROM public.reference WHERE id = ANY (%s)", [list(ids)])


def put(connection: psycopg.Connection, rows: Sequence[Row]) -> None:
    """Makes rows of the reference what the table has."""
    gone(connection, [row[0] for row in rows])
    for row in rows:
        connection.execute("INSERT INTO public.reference VALUES (%s, %s, %s, %s, %s, %s)", row)


def insert(writer: Writer, connection: psycopg.Connection) -> None:
    """One row."""
    row = writer.new_row()
    connection.execute("INSERT INTO public.orders VALUES (%s, %s, %s, %s, %s, %s)", row)
    put(connection, [row])


def insert_many(writer: Writer, connection: psycopg.Connection) -> None:
    """Several rows in one statement, for several partitions."""
    rows = [writer.new_row() for _ in range(5)]
    values = ", ".join(["(%s, %s, %s, %s::timestamptz, %s, %s)"] * len(rows))
    connection.execute(f"INSERT INTO public.orders VALUES {values}", [v for row in rows for v in row])
    put(connection, rows)


def copy(writer: Writer, connection: psycopg.Connection) -> None:
    """COPY."""
    rows = [writer.new_row() for _ in range(3)]
    with connection.cursor().copy("COPY public.orders FROM STDIN") as stream:
        for row in rows:
            stream.write_row(row)
    put(connection, rows)


def update(writer: Writer, connection: psycopg.Connection) -> None:
    """A column that is no key; sometimes to NULL."""
    changed = connection.execute(
        "UPDATE public.orders SET amount = amount + 1, note = NULL WHERE id = %s RETURNING *", [writer.some_id()]
    ).fetchall()
    put(connection, changed)


def update_many(writer: Writer, connection: psycopg.Connection) -> None:
    """Several rows in one statement."""
    first = writer.some_id()
    changed = connection.execute(
        "UPDATE public.orders SET amount = -amount WHERE id BETWEEN %s AND %s RETURNING *", [first, first + 10]
    ).fetchall()
    put(connection, changed)


def move(writer: Writer, connection: psycopg.Connection) -> None:
    """Another partition, on all levels."""
    changed = connection.execute(
        "UPDATE public.orders SET region = %s, status = %s, at = %s WHERE id = %s RETURNING *",
        [*writer.place(), writer.some_id()],
    ).fetchall()
    put(connection, changed)


def renumber(writer: Writer, connection: psycopg.Connection) -> None:
    """Another primary key, and another partition."""
    old, new = writer.some_id(), next(writer.ids)
    changed = connection.execute(
        "UPDATE public.orders SET id = %s, region = %s WHERE id = %s RETURNING *", [new, writer.place()[0], old]
    ).fetchall()
    if changed:
        gone(connection, [old])
        put(connection, changed)


def delete(writer: Writer, connection: psycopg.Connection) -> None:
    """One row."""
    deleted = connection.execute("DELETE FROM public.orders WHERE id = %s RETURNING id", [writer.some_id()]).fetchall()
    gone(connection, [row[0] for row in deleted])


def delete_many(writer: Writer, connection: psycopg.Connection) -> None:
    """Several rows in one statement."""
    first = writer.some_id()
    deleted = connection.execute(
        "DELETE FROM public.orders WHERE id BETWEEN %s AND %s RETURNING id", [first, first + 4]
    ).fetchall()
    gone(connection, [row[0] for row in deleted])


def upsert(writer: Writer, connection: psycopg.Connection) -> None:
    """ON CONFLICT by the name of the constraint, which must survive; the row is locked, so that its key stays."""
    found = connection.execute("SELECT * FROM public.orders WHERE id = %s FOR UPDATE", [writer.some_id()]).fetchall()
    row = (*found[0][:4], writer.rng.randint(1, 10**6), "upsert") if found else writer.new_row()
    changed = connection.execute(
        "INSERT INTO public.orders VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT ON CONSTRAINT orders_pkey "
        "DO UPDATE SET amount = excluded.amount, note = excluded.note RETURNING *",
        row,
    ).fetchall()
    put(connection, changed)


def write_leaf(writer: Writer, connection: psycopg.Connection) -> None:
    """Names the partition where there are some: statement triggers of the root do not see that."""
    number = writer.some_id()
    leaf = connection.execute("SELECT tableoid::regclass::text FROM public.orders WHERE id = %s", [number]).fetchall()
    if leaf:
        changed = connection.execute(
            f"UPDATE {leaf[0][0]} SET amount = amount + 7 WHERE id = %s RETURNING *", [number]
        ).fetchall()
        put(connection, changed)


KINDS: tuple[Callable[[Writer, psycopg.Connection], None], ...] = (
    insert,
    insert_many,
    copy,
    update,
    update,
    update_many,
    move,
    move,
    renumber,
    delete,
    delete_many,
    upsert,
    write_leaf,
)


class Crew:
    """Some writers at work."""

    def __init__(self, dsn: str, seed: int, rows: int, size: int) -> None:
        with psycopg.connect(dsn) as connection:
            ((highest,),) = connection.execute("SELECT coalesce(max(id), 0) FROM public.reference").fetchall()
        self.writers = [Writer(dsn, number, seed, rows, highest + 1) for number in range(size)]

    @property
    def done(self) -> int:
        """Transactions committed by all."""
        return sum(writer.done for writer in self.writers)

    def work(self, transactions: int, seconds: float = 60) -> None:
        """Waits until so many more transactions were committed."""
        goal, end = self.done + transactions, time.monotonic() + seconds
        while self.done < goal and not self.errors:
            if time.monotonic() > end:
                raise TimeoutError(f"the writers stand still at {self.done} of {goal} transactions")
            time.sleep(0.005)
        assert not self.errors, self.errors

    @property
    def errors(self) -> list[str]:
        """What no writer should have met."""
        return [error for writer in self.writers for error in writer.errors]

    def stop(self) -> None:
        """Lets all end with their transactions."""
        for writer in self.writers:
            writer.stop()
        for writer in self.writers:
            if writer.is_alive():
                writer.join(60)
                assert not writer.is_alive(), f"{writer.name} does not end"


@contextlib.contextmanager
def writing(dsn: str, seed: int, rows: int, size: int = 4, lock_timeout: str = "0") -> Iterator[Crew]:
    """Lets writers work in the background; nobody may have met what he should not."""
    crew = Crew(dsn, seed, rows, size)
    for writer in crew.writers:
        writer.lock_timeout = lock_timeout
        writer.start()
    try:
        yield crew
    finally:
        crew.stop()
    assert crew.errors == []


def setup(rows: int) -> str:
    """The table and its reference, with the same rows."""
    return "".join(
        TABLE.format(name=name) + FILL.format(name=name, first=1, last=rows, step=1) + ";"
        for name in ("orders", "reference")
    )
