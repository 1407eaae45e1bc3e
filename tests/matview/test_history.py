"""When was a view refreshed: the history that PostgreSQL does not keep, and who may write it."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import refused

VIEW = "CREATE MATERIALIZED VIEW public.m AS SELECT count(*) AS n FROM pg_class"
STATUS = (
    "SELECT view_name, last_refreshed_at IS NOT NULL, mode, last_status, last_sqlstate FROM lifecycle.mv_refresh_status"
)
FRESH = "SELECT severity, finding, view_name FROM lifecycle.check_mv_freshness(%s)"


def test_never_refreshed_then_fresh_then_stale(database):
    database.execute(VIEW)
    assert database.execute(STATUS) == [("m", False, None, None, None)]
    assert database.execute(FRESH, ["1 day"]) == [("warning", "never refreshed", "m")]
    remedy = database.value("SELECT remedy FROM lifecycle.check_mv_freshness()")
    database.execute(remedy)
    assert database.execute(STATUS) == [("m", True, "plain", "refreshed", None)]
    assert database.execute(FRESH, ["1 day"]) == [("ok", "fresh", "m")]
    database.execute("UPDATE lifecycle.materialized_view_refresh SET started_at = now() - interval '25 hours'")
    assert database.execute(FRESH, ["1 day"]) == [("warning", "stale", "m")]
    assert database.execute(FRESH, ["26 hours"]) == [("ok", "fresh", "m")]
    (found,) = database.execute(
        "SELECT object, detail, remedy, view_schema, seconds_old FROM lifecycle.check_mv_freshness()"
    )
    assert found[0] == "materialized view public.m"
    assert found[1].startswith("last refreshed 1 day 01:00:0") or found[1].startswith("last refreshed 25:00:0")
    assert found[3] == "public"
    assert 25 * 3600 <= found[4] < 25 * 3600 + 60


def test_no_data_and_the_last_failure(database):
    database.execute("CREATE MATERIALIZED VIEW public.m AS SELECT 1 / 0 AS n WITH NO DATA")
    assert database.execute(FRESH, ["1 day"]) == [("error", "no data", "m")]
    database.execute("SELECT lifecycle.refresh_all_materialized_views()")
    assert database.execute(STATUS) == [("m", False, None, "failed", "22012")]
    assert "the last try failed: division by zero" in database.value(
        "SELECT detail FROM lifecycle.check_mv_freshness()"
    )


def test_data_is_as_of_the_start(database):
    database.execute("CREATE MATERIALIZED VIEW public.m AS SELECT clock_timestamp() AS at, pg_sleep(0.05)::text")
    database.execute("SELECT lifecycle.refresh_all_materialized_views()")
    assert database.value("SELECT at >= last_refreshed_at FROM public.m, lifecycle.mv_refresh_status")
    assert database.value("SELECT refresh_time_ms FROM lifecycle.mv_refresh_status") >= 50


def test_a_rename_is_followed_and_a_namesake_is_not(database):
    database.execute(VIEW + "; SELECT lifecycle.refresh_all_materialized_views()")
    database.execute("ALTER MATERIALIZED VIEW public.m RENAME TO n; " + VIEW)
    assert sorted(database.execute(STATUS)) == [("m", False, None, None, None), ("n", True, "plain", "refreshed", None)]


def test_history_survives_a_restore(database):
    database.execute(VIEW + "; SELECT lifecycle.refresh_all_materialized_views()")
    copy = database.clone()  # another database: other oids are meant
    copy.execute("DROP MATERIALIZED VIEW public.m; " + VIEW)
    assert copy.execute(STATUS) == [("m", True, "plain", "refreshed", None)]
    copy.execute("SELECT lifecycle.refresh_all_materialized_views()")
    assert copy.execute("SELECT count(*) FROM lifecycle.materialized_view_refresh") == [(2,)]
    assert "materialized_view_refresh" in copy.dump("--data-only")


def test_nobody_writes_the_history_of_a_view_that_is_not_his(database, roles):
    owner, mallory = roles("owner"), roles("mallory")
    database.execute(
        f"{VIEW}; ALTER MATERIALIZED VIEW public.m OWNER TO {owner};"
        f"SELECT lifecycle.grant_lifecycle_use('{owner}'); SELECT lifecycle.grant_lifecycle_use('{mallory}')"
    )
    insert = (
        "INSERT INTO lifecycle.materialized_view_refresh (view_schema, view_name, view_oid,"
        " started_at, refresh_time_ms,"
        " mode, status) VALUES ('public', 'm', 'public.m'::regclass, now(), 1, 'plain', 'refreshed')"
    )
    attacks = [
        insert,
        insert.replace("status)", "status, refreshed_by)").replace("'refreshed')", f"'refreshed', '{owner}')"),
        "UPDATE lifecycle.materialized_view_refresh SET started_at = now()",
        "DELETE FROM lifecycle.materialized_view_refresh",
    ]
    for attack in attacks:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.connect(mallory).execute(attack)
    database.connect(owner).execute(insert)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        database.connect(roles("nobody")).execute(insert)


def test_application_roles_may_read(database, roles):
    web = roles("web")
    database.execute(f"{VIEW}; SELECT lifecycle.grant_lifecycle_use('{web}')")
    database.execute("SELECT lifecycle.refresh_all_materialized_views()")
    connection = database.connect(web)
    assert len(connection.execute(STATUS).fetchall()) == 1
    assert connection.execute(FRESH, ["1 day"]).fetchall() == [("ok", "fresh", "m")]


def test_history_is_shortened_but_what_the_status_shows_stays(database, roles):
    database.execute(
        "CREATE MATERIALIZED VIEW public.good AS SELECT 1 AS one;"
        "CREATE TABLE public.divisor (n int); INSERT INTO public.divisor VALUES (1);"
        "CREATE MATERIALIZED VIEW public.bad AS SELECT 1 / n AS n FROM public.divisor"
    )
    refresh = "SELECT lifecycle.refresh_all_materialized_views()"
    database.execute(refresh)
    database.execute("UPDATE public.divisor SET n = 0")
    for _ in range(3):
        database.execute(refresh)
    status = (
        "SELECT view_name, last_refreshed_at, last_tried_at, last_status FROM lifecycle.mv_refresh_status ORDER BY 1"
    )
    before = database.execute(status)
    assert database.value("SELECT lifecycle.cleanup_refresh_history()") == 0
    admin = roles("admin")
    database.execute(f"SELECT lifecycle.grant_lifecycle_admin('{admin}')")
    with database.connect(admin) as other:
        assert other.execute("SELECT lifecycle.cleanup_refresh_history('0 s')").fetchall() == [(0,)], "not his views"
    assert database.value("SELECT lifecycle.cleanup_refresh_history('0 s')") == 5
    assert database.execute(status) == before
    with refused("22023", "keep cannot be -1 days"):
        database.execute("SELECT lifecycle.cleanup_refresh_history('-1 day')")
