"""PostgreSQL's own SPLIT PARTITION and MERGE PARTITIONS: in no major yet, 19rc1 included.

The day one of these is no syntax error any more, small partitions can be left to PostgreSQL.
"""

from __future__ import annotations

import pytest

from harness.calls import refused


@pytest.mark.parametrize(
    "statement",
    [
        "SPLIT PARTITION public.p_1 INTO (PARTITION public.p_a FOR VALUES FROM (0) TO (5),"
        " PARTITION public.p_b FOR VALUES FROM (5) TO (9))",
        "MERGE PARTITIONS (public.p_1, public.p_2) INTO public.p_all",
    ],
)
def test_there_is_none_yet(database, statement):
    database.execute(
        "CREATE TABLE public.p (n int) PARTITION BY RANGE (n);"
        " CREATE TABLE public.p_1 PARTITION OF public.p FOR VALUES FROM (0) TO (9);"
        " CREATE TABLE public.p_2 PARTITION OF public.p FOR VALUES FROM (9) TO (20)"
    )
    with refused("42601", "syntax error"):
        database.execute(f"ALTER TABLE public.p {statement}")
