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
        "SELECT view::regclass::text, (policy).view_name, (policy).every::text FROM lifecycle._view_policies() "
        "ORDER BY 1",
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


INCREMENTAL = """
CREATE TABLE public.t (id bigint PRIMARY KEY, at timestamptz NOT NULL, shop int NOT NULL, v int);
CREATE INDEX t_shop ON public.t (shop);
INSERT INTO public.t SELECT i, '2024-01-05'::timestamptz + i * interval '1 day', i % 5, i
FROM generate_series(1, 80) AS i;
"""
QUERY = "SELECT shop, sum(v) AS total, count(*) AS n FROM public.t GROUP BY shop"


def test_incremental(database):
    """The queue goes on through the swap: nothing is missed, and nothing has to be rebuilt."""
    database.execute(INCREMENTAL)
    call(database, "create_incremental_view", view_name="public.total", query=QUERY, key_columns="{shop}")
    database.execute("CALL lifecycle.run_pending()")
    call(database, "start_capture", target="public.t", consumer="own")
    dump = database.dump(schema_only=True)

    def same(mode):
        result = rows(database, "SELECT mode FROM lifecycle.refresh_incremental_view('public.total')")
        assert result == [(mode,)]
        query = f"(TABLE public.total EXCEPT {QUERY}) UNION ALL ({QUERY} EXCEPT TABLE public.total)"
        assert database.execute(query) == []

    same("incremental")
    rows(database, "SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_range('at', '1 month'), 'extend')")
    database.execute("INSERT INTO t VALUES (200, '2024-02-02', 3, 7)")
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("UPDATE t SET v = v + 1 WHERE shop = 2; INSERT INTO t VALUES (201, '2028-02-02', 9, 7)")
    own = database.value("SELECT count(*) FROM lifecycle_data.t_own_queue")
    database.execute("CALL lifecycle.swap_tables('t')")
    assert database.value("SELECT count(*) FROM lifecycle_data.t_own_queue") >= own
    database.execute("DELETE FROM t WHERE id = 7; UPDATE t SET at = at + interval '2 months', shop = 4 WHERE id = 12")
    leaf = database.value("SELECT tableoid::regclass::text FROM t WHERE id = 201")
    database.execute(f"UPDATE {leaf} SET v = 100 WHERE id = 201")
    same("incremental")
    call(database, "create_partition", parent="t", lower_bound="2029-01-01", upper_bound="2029-02-01")
    database.execute("INSERT INTO t VALUES (202, '2029-01-02', 11, 7)")
    # Partitions that were made since do not shut the way back.
    call(database, "ensure_future_partitions", months=12, target="t")
    call(database, "rollback_conversion", target="t", dry_run=False)
    assert database.dump(schema_only=True) == dump
    database.execute("UPDATE t SET v = 0 WHERE id = 202")
    same("incremental")
    call(database, "rollback_incremental_view", target="public.total", dry_run=False)
    assert database.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal") == 4
    rows(
        database,
        "SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_range('at', '1 month'), 'extend', at_once => true)",
    )
    call(database, "finish_conversion", target="t", dry_run=False)
    call(database, "drop_capture", target="t", consumer="own", dry_run=False)
    assert database.value("SELECT count(*) FROM pg_trigger WHERE tgname ~ 'own'") == 0


def test_what_was_missed_before_the_swap_is_not_forgotten_by_it(database):
    """Triggers were off while something was written: the swap makes others, and the view is rebuilt all the same."""
    database.execute(INCREMENTAL)
    call(database, "create_incremental_view", view_name="public.total", query=QUERY, key_columns="{shop}", at_once=True)
    database.execute(
        "ALTER TABLE t DISABLE TRIGGER USER; UPDATE t SET v = v + 1 WHERE shop = 2; ALTER TABLE t ENABLE TRIGGER USER"
    )
    rows(database, "SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_range('at', '1 month'), 'extend')")
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("CALL lifecycle.swap_tables('t')")
    assert rows(database, "SELECT mode FROM lifecycle.refresh_incremental_view('public.total')") == [("rebuild",)]
    assert database.execute(f"TABLE public.total EXCEPT {QUERY}") == []
