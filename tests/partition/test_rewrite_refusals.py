"""What split, merge and drain refuse before they have done anything."""

from __future__ import annotations

import pytest

from harness.calls import call, refused

LISTED = (
    "CREATE TABLE public.l (k text) PARTITION BY LIST (k);"
    "CREATE TABLE public.l_a PARTITION OF public.l FOR VALUES IN ('a');"
    "CREATE TABLE public.l_b PARTITION OF public.l FOR VALUES IN ('b');"
    "CREATE TABLE public.l_rest PARTITION OF public.l DEFAULT;"
)


@pytest.mark.parametrize("names", [["l_a", "l_a"], ["l_a", "l_rest"]])
def test_a_merge_of_one_with_itself_or_with_the_default(database, names):
    database.execute(LISTED)
    with refused("42P17", "cannot be merged"):
        call(database, "merge_partitions", partitions=[f"public.{name}" for name in names])


def test_a_partition_that_is_partitioned_itself(database):
    database.execute(
        LISTED + "CREATE TABLE public.l_c PARTITION OF public.l FOR VALUES IN ('c', 'd') PARTITION BY LIST (k);"
    )
    with refused("0A000", "l_c is partitioned itself"):
        call(database, "merge_partitions", partitions=["public.l_a", "public.l_c"])


def test_draining_above_partitions_that_are_partitioned(database):
    database.execute(
        "CREATE TABLE public.p (k text, n int) PARTITION BY LIST (k);"
        "CREATE TABLE public.p_a PARTITION OF public.p FOR VALUES IN ('a') PARTITION BY RANGE (n);"
        "CREATE TABLE public.p_rest PARTITION OF public.p DEFAULT; INSERT INTO public.p VALUES ('b', 1)"
    )
    with refused("0A000", "are partitioned themselves"):
        database.execute("SELECT lifecycle.drain_default_partition_step('public.p')")


def test_draining_where_nobody_knows_how_much_a_partition_holds(database):
    database.execute(
        "CREATE TABLE public.p (at date) PARTITION BY RANGE (at);"
        "CREATE TABLE public.p_rest PARTITION OF public.p DEFAULT; INSERT INTO public.p VALUES ('2024-01-01')"
    )
    with refused("55000", "is not known"):
        database.execute("SELECT lifecycle.drain_default_partition_step('public.p')")


def test_a_partition_that_is_being_split(database):
    database.execute(
        "CREATE TABLE public.p (at date, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);"
        "CREATE TABLE public.p_2024 PARTITION OF public.p FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');"
        "INSERT INTO public.p VALUES ('2024-01-01', 1); SET lifecycle.partition_rewrite_at_once = '0'"
    )
    call(database, "split_partition", target="public.p_2024", every="6 months")
    with refused("55006", "are being rewritten already"):
        call(database, "split_partition", target="public.p_2024", every="1 month")
