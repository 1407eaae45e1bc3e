"""What becomes of a view when the ground moves under it: each outcome of the table in docs/materialized_views.md."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rows

BASE = (
    "CREATE TABLE public.sale (id int PRIMARY KEY, shop int, amount int); INSERT INTO public.sale SELECT g, g % 5, g"
    " FROM generate_series(1, 50) AS g; CREATE INDEX ON public.sale (shop);"
    "CREATE MATERIALIZED VIEW public.m AS SELECT shop, sum(amount) AS amount FROM public.sale GROUP BY shop;"
)
RUN = "SELECT view_name, status, sqlstate, error, note FROM lifecycle.refresh_all_materialized_views()"


@pytest.fixture
def base(database):
    """Sales, a materialized view and an incremental view of the same query, both managed."""
    database.execute(BASE)
    call(database, "create_incremental_view", view_name="public.inc", key_columns=["shop"], at_once=True,
         query="SELECT shop, sum(amount) AS amount FROM public.sale GROUP BY shop")  # fmt: skip
    for name in ("m", "inc"):
        call(database, "manage_materialized_view", target=f"public.{name}", every="1 hour")
    run(database)
    return database


def run(place):
    return {name: more for name, *more in rows(place, RUN)}


def same(database):
    """Whether both views are what their query returns."""
    return database.value(
        "SELECT count(*) = 0 FROM (SELECT * FROM public.m EXCEPT SELECT * FROM public.inc UNION ALL SELECT * FROM"
        " public.inc EXCEPT SELECT * FROM public.m) AS d"
    )


def test_base_is_dropped(base):
    with refused("2BP01", "depend"):
        base.execute("DROP TABLE public.sale")
    base.execute("DROP TABLE public.sale CASCADE")
    assert {name: row[:2] for name, row in run(base).items()} == {"inc": ["failed", "55000"]}
    assert base.value("SELECT count(*) FROM public.inc") == 5, "its rows stay as they were"
    assert base.execute("SELECT view_name, last_status FROM lifecycle.mv_refresh_status") == [("inc", "failed")]
    assert base.value("SELECT count(*) FROM lifecycle._view_policies()") == 1, "a policy of nothing binds nobody"
    call(base, "rollback_incremental_view", target="public.inc", cascade=True, dry_run=False)
    assert run(base) == {}


def test_base_column_is_renamed(base):
    base.execute("ALTER TABLE public.sale RENAME amount TO price; INSERT INTO public.sale VALUES (100, 1, 1)")
    assert run(base)["inc"][0] == "refreshed"
    assert same(base)
    base.execute("ALTER TABLE public.sale RENAME shop TO store")
    with refused("42703", "shop"):
        base.execute("INSERT INTO public.sale VALUES (101, 1, 1)")
    assert run(base)["inc"][0] == "refreshed"
    assert "sale was mended" in base.notices[-1]
    base.execute("INSERT INTO public.sale VALUES (101, 1, 1)")
    run(base)
    assert same(base)


def test_view_column_is_renamed(base):
    base.execute(
        "ALTER MATERIALIZED VIEW public.m RENAME amount TO total; ALTER TABLE public.inc RENAME amount TO total"
    )
    found = run(base)
    assert found["m"][0] == "refreshed"
    assert found["inc"][:2] == ["failed", "55000"]
    assert "it has no column amount" in found["inc"][2]


def test_permission_is_lost(base, roles):
    owner = roles("owner")
    base.execute(
        f"GRANT ALL ON SCHEMA public TO {owner}; GRANT SELECT ON public.sale TO {owner};"
        f"ALTER MATERIALIZED VIEW public.m OWNER TO {owner}; REVOKE SELECT ON public.sale FROM {owner}"
    )
    assert run(base)["m"][:3] == ["failed", "42501", "permission denied for table sale"]
    assert base.value("SELECT count(*) FROM public.m") == 5, "its rows stay as they were"


def test_permission_is_lost_of_an_incremental_view(base, roles):
    owner = roles("owner")
    base.execute(
        f"GRANT ALL ON SCHEMA public TO {owner}; SELECT lifecycle.grant_lifecycle_admin('{owner}');"
        f"CREATE TABLE public.own AS SELECT 1 AS k, 2 AS n; ALTER TABLE public.own OWNER TO {owner}"
    )
    mine = base.connect(owner)
    query = "SELECT k, count(*) AS c FROM public.own GROUP BY k"
    call(mine, "create_incremental_view", view_name="public.counted", key_columns=["k"], query=query, at_once=True)
    mine.execute(f"INSERT INTO public.own VALUES (7, 1); REVOKE SELECT ON public.own FROM {owner}")
    assert run(mine)["counted"][:3] == ["failed", "42501", "permission denied for table own"]
    mine.execute(f"GRANT SELECT ON public.own TO {owner}")
    assert run(mine)["counted"][0] == "refreshed"
    assert mine.execute("SELECT count(*) FROM public.counted").fetchall() == [(2,)]


def test_the_role_that_refreshes_may_not_mend(base, roles):
    """Partitions come, and the role that refreshes is no administrator: the rows are right, the note says why."""
    owner = roles("owner")
    base.execute(
        f"GRANT ALL ON SCHEMA public TO {owner}; SELECT lifecycle.grant_lifecycle_admin('{owner}');"
        "CREATE TABLE public.part (k int, n int) PARTITION BY LIST (n); CREATE INDEX ON public.part (k);"
        "CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES IN (1);"
        f"ALTER TABLE public.part OWNER TO {owner}; ALTER TABLE public.part_1 OWNER TO {owner}"
    )
    mine = base.connect(owner)
    query = "SELECT k, count(*) AS c FROM public.part GROUP BY k"
    call(mine, "create_incremental_view", view_name="public.counted", key_columns=["k"], query=query, at_once=True)
    mine.execute("CREATE TABLE public.part_2 PARTITION OF public.part FOR VALUES IN (2)")
    base.execute(f"REVOKE INSERT (statement) ON lifecycle.migration_step FROM {owner}")
    mine.execute("INSERT INTO public.part_2 VALUES (7, 2)")
    for _ in range(2):
        (note,) = rows(mine, "SELECT note FROM lifecycle.refresh_incremental_view('public.counted')")[0]
        assert "the capture of public.part was not mended: 42501" in note
        assert rows(mine, "SELECT * FROM public.counted") == [(7, 1)]
    base.execute(f"GRANT INSERT (statement) ON lifecycle.migration_step TO {owner}")
    for word in ("was mended", "the last refresh found: 4 triggers are missing"):
        (note,) = rows(mine, "SELECT note FROM lifecycle.refresh_incremental_view('public.counted')")[0]
        assert word in note
    mine.execute("INSERT INTO public.part_2 VALUES (7, 2)")
    found = rows(mine, "SELECT mode FROM lifecycle.refresh_incremental_view('public.counted')")
    assert found == [("incremental",)]
    assert rows(mine, "SELECT * FROM public.counted") == [(7, 2)]


def test_mending_waits_for_nobody(base, session):
    """A writer holds its lock on the table: the refresh is right all the same, and mends the next time."""
    base.execute("ALTER TABLE public.sale DISABLE TRIGGER USER; INSERT INTO public.sale VALUES (200, 1, 1)")
    base.execute("SET lifecycle.lock_attempts = '1'; SET lifecycle.lock_timeout = '20'")
    writer = session(base, autocommit=False)
    writer.run("UPDATE public.sale SET amount = 0 WHERE id = 1")
    assert run(base)["inc"][0] == "refreshed"
    assert "was not mended: 55P03" in base.notices[-1]
    assert same(base)
    writer.run("COMMIT")
    assert run(base)["inc"][0] == "refreshed"
    assert "was mended" in base.notices[-1]
    assert run(base)["inc"][0] == "refreshed"
    assert same(base)


def test_unpopulated(base):
    base.execute(
        "CREATE MATERIALIZED VIEW public.empty AS SELECT shop FROM public.m WITH NO DATA; CREATE UNIQUE INDEX ON"
        " public.empty (shop); CREATE MATERIALIZED VIEW public.above AS SELECT count(*) AS n FROM public.empty WITH"
        " NO DATA"
    )
    with refused("55000", "has not been populated"):
        base.execute("SELECT * FROM public.empty")
    found = run(base)
    assert found["empty"][0] == found["above"][0] == "refreshed", "in order, so that nobody reads an empty one"
    base.execute("REFRESH MATERIALIZED VIEW public.empty WITH NO DATA")
    assert base.value("SELECT is_populated FROM lifecycle.mv_refresh_status WHERE view_name = 'empty'") is False
    assert base.value("SELECT finding FROM lifecycle.check_mv_freshness() WHERE view_name = 'empty'") == "no data"
    with refused("55000", "public.above was not refreshed", "has not been populated"):
        base.execute("SELECT lifecycle.refresh_materialized_view('public.above')")
    up = "SELECT view_name FROM lifecycle.refresh_materialized_view('public.above', cascade => 'up')"
    assert base.execute(up) == [("m",), ("empty",), ("above",)]


def test_row_security_of_the_base(base, roles):
    """Both kinds show what their owner may see, whoever refreshes and whoever reads."""
    owner, reader = roles("owner"), roles("reader")
    base.execute(
        f"GRANT ALL ON SCHEMA public TO {owner}; GRANT SELECT ON public.sale TO {owner};"
        f"ALTER TABLE public.sale ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON public.sale USING (shop > 3);"
        f"ALTER MATERIALIZED VIEW public.m OWNER TO {owner}; GRANT SELECT ON public.m TO {reader}"
    )
    assert run(base)["m"][0] == "refreshed"
    assert base.connect(reader).execute("SELECT shop FROM public.m").fetchall() == [(4,)]
    assert base.value("SELECT count(*) FROM public.inc") == 5, "its owner is a superuser"


def test_restored_elsewhere(base):
    """pg_dump brings policies, history and incremental views; whose counters are others is refreshed."""
    copy = base.empty()
    base.server.restore(copy.name, base.server.dump(base.name))
    policies = "SELECT view_name, every::text FROM lifecycle.mv_refresh_status ORDER BY view_name"
    assert copy.execute(policies) == base.execute(policies) == [("inc", "01:00:00"), ("m", "01:00:00")]
    assert copy.execute("SELECT view_name, changes_since, change_note FROM lifecycle.mv_refresh_status ORDER BY 1") == [
        ("inc", None, "it was restored into this database"),
        ("m", None, "it was restored into this database"),
    ]
    copy.execute("INSERT INTO public.sale VALUES (300, 1, 1)")
    found = run(copy)
    assert [found[name][0] for name in ("inc", "m")] == ["refreshed", "refreshed"]
    assert "restored" in found["inc"][3]
    assert same(copy)
    assert copy.value("SELECT count(*) FROM lifecycle.mv_refresh_status WHERE changes_since = 0") == 2
    assert [s.status for s in call(copy, "manage_materialized_view", target="public.m", every="1 hour")] == ["done"]
    call(copy, "rollback_view_policy", target="public.m", dry_run=False)
    assert copy.execute(policies) == [("inc", "01:00:00"), ("m", None)]


def test_replaced_view_keeps_its_policy(base):
    call(
        base, "replace_materialized_view", target="public.m", query="SELECT shop, 5::bigint AS amount FROM public.sale"
    )
    base.execute("CALL lifecycle.run_pending()")
    assert base.value("SELECT every::text FROM lifecycle.mv_refresh_status WHERE view_name = 'm'") == "01:00:00"


def test_a_crash_makes_nothing_look_unchanged(own_server):
    """The counters start anew, and could by chance say the same: the epoch says that they are others."""
    own_server.execute("CREATE DATABASE crashed TEMPLATE template0")
    dsn = own_server.dsn("crashed")
    changes = "SELECT changes_since, change_note FROM lifecycle.mv_refresh_status"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION pg_lifecycle")
        connection.execute("CREATE TABLE t (n int); CREATE MATERIALIZED VIEW m AS SELECT n FROM t; CHECKPOINT")
        connection.execute("SELECT lifecycle.refresh_all_materialized_views()")
        assert connection.execute(changes).fetchall() == [(0, None)]
    own_server.restart()
    with psycopg.connect(dsn, autocommit=True) as connection:
        assert connection.execute(changes).fetchall() == [(0, None)], "a clean restart loses nothing"
    own_server.crash()
    own_server.restart()
    with psycopg.connect(dsn, autocommit=True) as connection:
        ((found, note),) = connection.execute(changes).fetchall()
        assert found is None
        assert "reset" in note
