"""What writers feel while partitions are made ahead: four of them, and a reader whose transactions last."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable

from harness.databases import Database

WRITERS, MONTHS, READ_SECONDS = 4, 12, 0.3
TABLE = """
CREATE TABLE public.metric (at timestamptz NOT NULL, id bigint, n int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE INDEX ON public.metric (id);
CREATE TABLE public.metric_now PARTITION OF public.metric FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
"""


def test_create_ahead_under_load(database: Database) -> None:
    """A year of months, made by create_monthly_partition, by PARTITION OF, and not at all."""
    database.execute(TABLE)
    print(f"\n{MONTHS} partitions beside {WRITERS} writers and a reader ({READ_SECONDS} s a transaction); ms a write:")
    for title, make in (
        ("nothing made", lambda month: time.sleep(READ_SECONDS / 2)),
        ("create_monthly_partition", ours(database)),
        ("CREATE TABLE ... PARTITION OF", other(database)),
    ):
        waits = measure(database, make)
        cuts = statistics.quantiles(waits, n=1000)
        print(
            f"  {title:<32} {len(waits):>7} writes   p50 {cuts[499]:8.2f}   p99 {cuts[989]:8.2f}"
            f"   p99.9 {cuts[998]:8.2f}   max {max(waits):8.2f}"
        )


def ours(database: Database) -> Callable[[int], object]:
    """A month of 2028, our way."""
    return lambda month: database.execute(
        "SELECT lifecycle.create_monthly_partition('public.metric', 2028, %s)", [month]
    )


def other(database: Database) -> Callable[[int], object]:
    """A month of 2029, as most people write it."""
    return lambda month: database.execute(
        f"CREATE TABLE public.metric_2029_{month} PARTITION OF public.metric FOR VALUES"
        f" FROM ('2029-{month:02}-01') TO ('{2029 + month // 12}-{month % 12 + 1:02}-01')"
    )


def measure(database: Database, make: Callable[[int], object]) -> list[float]:
    """Milliseconds of each write while a year of months is made one after the other."""
    done = threading.Event()
    waits: list[float] = []

    def write(writer: int) -> None:
        with database.connect() as connection:
            number = 0
            while not done.is_set():
                number += 1
                began = time.perf_counter()
                connection.execute(
                    "INSERT INTO public.metric VALUES (timestamptz '2026-02-01' + %s * interval '1 second', %s, 1)"
                    " ON CONFLICT DO NOTHING",
                    [number, writer],
                )
                waits.append((time.perf_counter() - began) * 1000)

    def read() -> None:
        with database.connect(autocommit=False) as connection:
            while not done.is_set():
                connection.execute("SELECT count(*) FROM public.metric WHERE at < '2026-01-02'")
                done.wait(READ_SECONDS)
                connection.commit()

    threads = [threading.Thread(target=write, args=[writer]) for writer in range(WRITERS)] + [
        threading.Thread(target=read)
    ]
    for thread in threads:
        thread.start()
    try:
        for month in range(1, MONTHS + 1):
            make(month)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    return waits
