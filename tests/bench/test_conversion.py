"""What it takes to convert a table with two indexes, against one INSERT ... SELECT, and against pg_partman.

PG_LIFECYCLE_BENCH_ROWS says how many rows (default 200000; the goals speak of two million).
"""

from __future__ import annotations

import os

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
            "INSERT INTO public.moved SELECT * FROM public.orders; CHECKPOINT"
        )

    paired(
        f"conversion of {ROWS} rows, 2 indexes / pg_partman partition_data_proc",
        lambda: convert(database),
        lambda: database.execute("CALL partman.partition_data_proc('public.moved')"),
        goal="<= 0.25",
        rounds=1,
        before=before,
    )
