"""What the orchestration of refreshes costs, against the bare statements."""

from __future__ import annotations

from bench.paired import paired

from harness.databases import Database

VIEWS = 50


def test_refresh_of_many_views(database: Database) -> None:
    """50 materialized views over 300,000 rows, against 50 REFRESH statements in one transaction."""
    database.execute(
        "CREATE TABLE public.reading AS SELECT i AS id, i % 1000 AS k FROM generate_series(1, 300000) AS i"
    )
    for number in range(VIEWS):
        database.execute(
            f"CREATE MATERIALIZED VIEW public.m{number} AS "
            f"SELECT k, count(*) AS n FROM public.reading WHERE id % {number + 2} = 0 GROUP BY k"
        )
    bare = ";".join(f"REFRESH MATERIALIZED VIEW public.m{number}" for number in range(VIEWS))
    paired(
        f"refresh of {VIEWS} materialized views / REFRESH statements",
        lambda: database.execute("SELECT * FROM lifecycle.refresh_all_materialized_views(concurrent => false)"),
        lambda: database.execute(f"BEGIN; {bare}; COMMIT"),
        goal="<= 1.05",
        rounds=5,
    )
