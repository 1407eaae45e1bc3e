"""A managed materialized view keeps its refresh policy when the table that it reads is converted, there and back."""

from __future__ import annotations

from harness.calls import call, rows

SCENE = """
CREATE TABLE public.t (id bigint PRIMARY KEY, at timestamptz NOT NULL, v text);
INSERT INTO public.t SELECT i, '2024-01-05'::timestamptz + i * interval '1 day', 'v' || i % 5
FROM generate_series(1, 80) AS i;
CREATE MATERIALIZED VIEW public.m AS SELECT v, count(*) AS n FROM public.t GROUP BY v;
CREATE UNIQUE INDEX ON public.m (v);
CREATE MATERIALIZED VIEW public.m2 AS SELECT sum(n) AS n FROM public.m;
"""


def policies(database):
    """The policies with the relation that they are about today."""
    return rows(
        database,
        "SELECT view::regclass::text, (policy).view_name, (policy).every::text FROM lifecycle._view_policies() ORDER BY 1",
    )


def test_there_and_back(database):
    database.execute(SCENE)
    call(database, "manage_materialized_view", target="public.m", every="5 minutes", min_changes=3)
    call(database, "manage_materialized_view", target="public.m2", every="1 hour", max_age="1 day")
    before, dump = policies(database), database.dump(schema_only=True)
    rows(
        database,
        "SELECT * FROM lifecycle.start_conversion('public.t', lifecycle.by_range('at', '1 month'), 'extend')",
    )
    database.execute("CALL lifecycle.convert_data('public.t')")
    database.execute("CALL lifecycle.swap_tables('public.t')")
    database.execute("CALL lifecycle.convert_data('public.t')")
    assert policies(database) == before
    database.execute("INSERT INTO public.t VALUES (1000, '2024-02-02', 'new')")
    database.execute("CALL lifecycle.refresh_materialized_views()")
    assert database.value("SELECT n FROM public.m WHERE v = 'new'") == 1
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert policies(database) == before
    assert database.dump(schema_only=True) == dump
    assert database.value("SELECT n FROM public.m WHERE v = 'new'") == 1
    call(database, "rollback_view_policy", target="public.m", dry_run=False)
    assert len(policies(database)) == 1


def test_after_the_end(database):
    database.execute(SCENE)
    call(database, "manage_materialized_view", target="public.m", every="5 minutes")
    rows(
        database,
        "SELECT * FROM lifecycle.start_conversion('public.t', lifecycle.by_range('at', '1 month'), 'extend', "
        "at_once => true)",
    )
    call(database, "finish_conversion", target="public.t", dry_run=False)
    assert [row[0] for row in policies(database)] == ["m"]
    call(database, "rollback_view_policy", target="public.m", dry_run=False)
    assert policies(database) == []
