"""Policies: what is due, what has changed, who is told; and what PostgreSQL does not say by itself."""

from __future__ import annotations

import json

import pytest

from harness.calls import call, refused, rows

BASE = (
    "CREATE TABLE public.fact (id int PRIMARY KEY, n int); INSERT INTO public.fact SELECT g, g % 5 FROM"
    " generate_series(1, 50) AS g;"
    "CREATE MATERIALIZED VIEW public.m AS SELECT n, count(*) AS c FROM public.fact GROUP BY n;"
    "CREATE UNIQUE INDEX ON public.m (n);"
    "CREATE VIEW public.plain AS SELECT n, c FROM public.m; "
    "CREATE MATERIALIZED VIEW public.above AS SELECT sum(c) AS c FROM public.plain;"
)
RUN = "SELECT view_name, status FROM lifecycle.refresh_all_materialized_views({})"
CHANGES = "SELECT changes_since, change_note FROM lifecycle.mv_refresh_status WHERE view_name = %s"
DUE = "SELECT is_due FROM lifecycle.mv_refresh_status WHERE view_name = %s"
OLDER = "UPDATE lifecycle.materialized_view_refresh SET started_at = started_at - interval '{}'"


@pytest.fixture
def base(database):
    """A view, a view on it, both refreshed."""
    database.execute(BASE)
    run(database)
    return database


def run(place, arguments="", name=None):
    """One run: the status of each view, or of one."""
    found = dict(rows(place, RUN.format(arguments)))
    return found if name is None else found[name]


def changes(place, name="m"):
    """How many changes are known, and why not."""
    return rows(place, CHANGES, [name])[0]


def write(database, statement):
    """Another session writes, and says so: the counters of an idle session would come a second later."""
    with database.connect() as other:
        other.execute(statement)
        other.execute("SELECT pg_stat_force_next_flush()")


def manage(place, name="m", **more):
    return call(
        place,
        "manage_materialized_view",
        **({"target": f"public.{name}", "every": "1 hour"} | more),
    )


def test_only_what_has_changed(base):
    assert run(base, "only_changed => true") == {"m": "unchanged", "above": "unchanged"}
    write(base, "INSERT INTO public.fact VALUES (100, 1), (101, 1)")
    assert changes(base) == (2, None)
    assert changes(base, "above") == (0, None)
    assert run(base, "only_changed => true") == {
        "m": "refreshed",
        "above": "refreshed",
    }, "the one feeds the other"
    assert base.value("SELECT c FROM public.above") == 52
    assert run(base, "only_changed => true") == {"m": "unchanged", "above": "unchanged"}
    base.execute("DELETE FROM public.fact WHERE id > 99")
    assert changes(base) == (2, None), "what this session has not reported yet counts too"
    base.execute("CALL lifecycle.refresh_materialized_views(only_changed => true)")
    assert base.value("SELECT c FROM public.above") == 50
    assert run(base, "only_changed => true") == {"m": "unchanged", "above": "unchanged"}


def test_in_the_transaction_that_writes(base):
    with base.connect(autocommit=False) as connection:
        connection.execute("UPDATE public.fact SET n = 9 WHERE id = 1")
        assert run(connection, "only_changed => true", "m") == "refreshed"
        assert run(connection, "only_changed => true", "m") == "unchanged"
        connection.commit()
        assert run(connection, "only_changed => true", "m") == "unchanged"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("TRUNCATE public.fact", "truncated"),
        ("ALTER TABLE public.fact ALTER n TYPE bigint USING n + 1; ", "rewritten"),
        (
            "CREATE OR REPLACE VIEW public.between AS SELECT id, n + 1 AS n FROM public.fact",
            "view or function",
        ),
        (
            "CREATE OR REPLACE FUNCTION public.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT 7'",
            "function",
        ),
        ("ALTER TABLE public.part DETACH PARTITION public.part_1", "detached"),
        (
            "CREATE TABLE public.part_2 PARTITION OF public.part FOR VALUES IN (2)",
            "attached",
        ),
        ("TRUNCATE public.part_1", "truncated"),
        ("SELECT pg_stat_reset()", "reset"),
        (
            "SELECT pg_stat_reset_single_table_counters('public.fact'::regclass)",
            "reset",
        ),
    ],
)
def test_what_no_counter_counts(database, change, word):
    """Each of these changes the view, or what is known of it, without a row being counted."""
    database.execute(
        "CREATE TABLE public.fact (id int, n int); INSERT INTO public.fact VALUES (1, 1); CREATE VIEW public.between AS"
        " SELECT id, n FROM public.fact; CREATE FUNCTION public.f(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT"
        " 1'; CREATE TABLE public.part (k int) PARTITION BY LIST (k); CREATE TABLE public.part_1 PARTITION OF"
        " public.part FOR VALUES IN (1); INSERT INTO public.part VALUES (1)"
    )
    if "ALTER n" in change:
        database.execute("DROP VIEW public.between; CREATE VIEW public.between AS SELECT 1 AS id, 2 AS n")
        change = "ALTER TABLE public.wide ALTER n TYPE text USING n::text"
        database.execute("CREATE TABLE public.wide (n int, x int); INSERT INTO public.wide VALUES (1, 1)")
        database.execute("CREATE MATERIALIZED VIEW public.m AS SELECT x FROM public.wide")
    else:
        database.execute(
            "CREATE MATERIALIZED VIEW public.m AS SELECT count(*) AS a, sum(public.f(n)) AS b, (SELECT count(*) FROM"
            " public.part) AS c FROM public.between"
        )
    run(database)
    assert changes(database) == (0, None)
    write(database, change)
    found, note = changes(database)
    assert found is None
    assert word in note
    assert run(database, "only_changed => true", "m") == "refreshed"
    assert changes(database) == (0, None)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT now() AS n", "moves with the clock"),
        ("SELECT random() AS n", "is volatile"),
        ("SELECT public.hidden() AS n", "body in quotes"),
        ("SELECT count(*) AS n FROM pg_class", "it reads pg_class"),
        ("SELECT count(*) AS n FROM pg_stat_activity", "it reads"),
        ("SELECT count(*) AS n FROM public.kept", "row security of public.kept"),
    ],
)
def test_what_nobody_can_tell(database, roles, query, word):
    owner = roles("owner")
    database.execute(
        "CREATE FUNCTION public.hidden() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT 1::bigint'; CREATE TABLE"
        " public.kept (id int); ALTER TABLE public.kept ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON public.kept USING"
        f" (true); CREATE MATERIALIZED VIEW public.m AS {query}; GRANT SELECT ON public.kept TO {owner};"
        f"GRANT ALL ON SCHEMA public TO {owner}; ALTER MATERIALIZED VIEW public.m OWNER TO {owner}"
    )
    run(database)
    found, note = changes(database)
    assert found is None
    assert word in note
    assert run(database, "only_changed => true", "m") == "refreshed", "what nobody can tell is refreshed"


def test_old_data_says_nothing(base):
    with base.connect(autocommit=False) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT 1")
        write(base, "INSERT INTO public.fact VALUES (100, 1)")
        run(connection)
        connection.commit()
    assert base.value("SELECT sum(c) FROM public.m") == 50, "REFRESH saw the snapshot"
    assert changes(base) == (None, "nothing was counted at its last refresh")
    assert run(base, "only_changed => true", "m") == "refreshed"
    base.execute("SET track_counts = off")
    assert changes(base) == (None, "track_counts is off: nothing is counted")


def test_due(base):
    assert [s.status for s in manage(base, every="10 minutes", min_changes=3, max_age="1 day")] == ["done"]
    assert [s.status for s in manage(base, every="10 minutes", min_changes=3, max_age="1 day")] == ["skipped"]
    assert run(base, "only_due => true") == {"m": "not due", "above": "not due"}
    write(base, "INSERT INTO public.fact VALUES (100, 1), (101, 1)")
    base.execute(OLDER.format("9 minutes 31 seconds"))
    assert base.value(DUE, ["m"]) is False
    assert rows(
        base,
        "SELECT status, note FROM lifecycle.refresh_all_materialized_views(only_due => true)",
    ) == [
        ("not due", "2 changes, it waits for 3"),
        ("not due", "it is not managed"),
    ]
    write(base, "INSERT INTO public.fact VALUES (102, 1)")
    assert base.value(DUE, ["m"]) is True
    assert run(base, "only_due => true") == {"m": "refreshed", "above": "not due"}
    assert base.value(DUE, ["m"]) is False
    base.execute(OLDER.format("1 day"))
    assert base.value(DUE, ["m"]) is True, "max_age"
    manage(base, min_changes=1)
    assert base.value(DUE, ["m"]) is False
    manage(base, min_changes=0)
    assert base.value(DUE, ["m"]) is True


def test_a_managed_view_is_due_when_what_it_reads_was_refreshed(base):
    manage(base)
    manage(base, "above")
    base.execute(OLDER.format("1 hour"))
    write(base, "INSERT INTO public.fact VALUES (100, 1)")
    assert run(base, "only_due => true") == {"m": "refreshed", "above": "refreshed"}
    assert base.value("SELECT c FROM public.above") == 51


def test_a_failure_is_not_tried_again_at_once(base):
    base.execute(
        "CREATE MATERIALIZED VIEW public.bad AS SELECT 1 / (count(*) - 51) AS n FROM public.fact;"
        "INSERT INTO public.fact VALUES (100, 1)"
    )
    manage(base, "bad")
    assert run(base, "only_due => true", "bad") == "failed"
    assert run(base, "only_due => true", "bad") == "not due"
    base.execute(OLDER.format("1 hour"))
    assert run(base, "only_due => true", "bad") == "failed"


def test_who_is_told(base):
    manage(base, notify_channel='it\'s "told"')
    with base.connect() as listener:
        listener.execute('LISTEN "it\'s ""told"""')
        run(base)
        (notification,) = listener.notifies(timeout=30, stop_after=1)
        assert json.loads(notification.payload) | {"refresh_time_ms": 0} == {
            "schema": "public", "view": "m", "mode": "concurrent", "refresh_time_ms": 0,
        }  # fmt: skip
        assert run(base, "only_changed => true", "m") == "unchanged"
        base.execute("SELECT pg_notify('it''s \"told\"', 'next')")
        (notification,) = listener.notifies(timeout=30, stop_after=1)
        assert notification.payload == "next", "nobody is told of a refresh that was not needed"


def test_rollback_and_wrong_arguments(base):
    before = base.dump(sort_rows=True)
    assert [s.status for s in manage(base, dry_run=True)] == ["planned"]
    assert base.dump(sort_rows=True) == before
    manage(base, min_changes=5)
    manage(base, every="2 hours")
    shown = call(base, "rollback_view_policy", target="public.m")
    assert [s.status for s in shown] == ["planned", "planned"]
    assert base.value("SELECT every::text FROM lifecycle.mv_refresh_status WHERE view_name = 'm'") == "02:00:00"
    call(
        base,
        "rollback_view_policy",
        target="public.m",
        dry_run=False,
        expected_plan=shown[0].plan_hash,
    )
    assert base.value("SELECT count(*) FROM lifecycle.materialized_view_policy") == 0
    with refused("55000", "public.m has no refresh policy"):
        call(base, "rollback_view_policy", target="public.m")
    for word, more in [
        ("every cannot be 00:00:00", {"every": "0"}),
        ("every cannot be NULL", {"every": None}),
        ("min_changes cannot be -1", {"min_changes": -1}),
        ("min_changes cannot be NULL", {"min_changes": None}),
        ("max_age cannot be", {"max_age": "1 minute"}),
        ("notify_channel cannot be empty", {"notify_channel": ""}),
    ]:
        with refused("22023", word):
            manage(base, **more)
    with refused("42809", "public.fact is a table"):
        manage(base, "fact")


def test_whose_views(base, roles):
    owner, mallory = roles("owner"), roles("mallory")
    base.execute(
        f"ALTER MATERIALIZED VIEW public.m OWNER TO {owner}; GRANT SELECT ON public.fact TO {owner};"
        f"SELECT lifecycle.grant_lifecycle_admin('{owner}'), lifecycle.grant_lifecycle_admin('{mallory}')"
    )
    with refused("42501", "may not refresh public.m"):
        manage(base.connect(mallory))
    with refused("42501"):
        base.connect(mallory).execute(
            "INSERT INTO lifecycle.materialized_view_policy (view_name, view_oid, every, min_changes) VALUES"
            " ('public.m', 'public.m'::regclass, '1 day', 0)"
        )
    manage(base.connect(owner))
    assert base.connect(mallory).execute("DELETE FROM lifecycle.materialized_view_policy").rowcount == 0
    checked = "UPDATE lifecycle.materialized_view_refresh SET checked_at = now()"
    assert base.connect(mallory).execute(checked).rowcount == 0
    assert base.value("SELECT every::text FROM lifecycle.mv_refresh_status WHERE view_name = 'm'") == "01:00:00"
    base.execute(f"ALTER MATERIALIZED VIEW public.m OWNER TO {mallory}")
    assert base.value("SELECT every FROM lifecycle.mv_refresh_status WHERE view_name = 'm'") is None, (
        "nobody's view is managed by others"
    )


def test_should_refresh_views(base):
    asked = "SELECT lifecycle.should_refresh_views({})"
    assert base.value(asked.format("")) is False
    write(base, "INSERT INTO public.fact SELECT g, 0 FROM generate_series(100, 149) AS g")
    assert base.value(asked.format("")) is True
    assert base.value(asked.format("100")) is False
    base.execute("CREATE MATERIALIZED VIEW public.new AS SELECT 1")
    assert base.value(asked.format("100")) is True, "never refreshed"


@pytest.mark.parametrize("concurrently", ["", "CONCURRENTLY"])
def test_a_refresh_by_hand_is_noticed(base, concurrently):
    by_hand = "SELECT refreshed_by_hand FROM lifecycle.mv_refresh_status WHERE view_name = 'm'"
    run(base)
    write(base, "VACUUM FULL public.m")
    write(
        base,
        "GRANT SELECT ON public.m TO PUBLIC; INSERT INTO public.fact VALUES (100, 1)",
    )
    assert base.value(by_hand) is False
    write(base, f"REFRESH MATERIALIZED VIEW {concurrently} public.m")
    assert base.value(by_hand) is True
    assert "by hand since" in base.value("SELECT detail FROM lifecycle.check_mv_freshness() WHERE view_name = 'm'")
    run(base)
    assert base.value(by_hand) is False


def test_a_refresh_by_hand_is_noticed_without_statistics(base):
    by_hand = "SELECT refreshed_by_hand FROM lifecycle.mv_refresh_status WHERE view_name = 'm'"
    write(base, "SELECT pg_stat_reset()")
    assert base.value(by_hand) is False
    write(base, "REFRESH MATERIALIZED VIEW public.m")
    assert base.value(by_hand) is True


def test_cascade(base):
    base.execute(
        "CREATE MATERIALIZED VIEW public.top AS SELECT c FROM public.above; INSERT INTO public.fact VALUES (100)"
    )
    asked = "SELECT view_name FROM lifecycle.refresh_materialized_view(%s, cascade => %s)"
    for name, cascade, expected in [
        ("above", "none", ["above"]),
        ("above", "up", ["m", "above"]),
        ("above", "down", ["above", "top"]),
        ("above", "both", ["m", "above", "top"]),
        ("m", "both", ["m", "above", "top"]),
    ]:
        assert [name for (name,) in rows(base, asked, [f"public.{name}", cascade])] == expected
    assert base.value("SELECT c FROM public.top") == 51
    with refused("22023", "cascade cannot be 'sideways'"):
        rows(base, asked, ["public.m", "sideways"])
    base.execute(
        "CREATE MATERIALIZED VIEW public.worst AS SELECT 1 / (c - 52) AS c FROM public.top;"
        "CREATE MATERIALIZED VIEW public.rests AS SELECT c FROM public.worst; INSERT INTO public.fact VALUES (101)"
    )
    found = "SELECT view_name, status FROM lifecycle.refresh_materialized_view('public.above', cascade => 'both')"
    assert rows(base, found) == [
        ("m", "refreshed"), ("above", "refreshed"), ("top", "refreshed"), ("worst", "failed"), ("rests", "skipped"),
    ]  # fmt: skip
    assert "WARNING: public.worst was failed: division by zero" in base.notices
    with refused("22012", "public.worst was not refreshed: division by zero"):
        rows(base, asked, ["public.rests", "up"])


def test_load(base):
    run(base)
    base.execute(
        "UPDATE lifecycle.materialized_view_refresh SET refresh_time_ms = 6000, started_at = clock_timestamp() - "
        "interval '10 minutes' WHERE view_name = 'm'"
    )
    ((none, _, _, _), (name, refreshes, seconds, share), *_) = rows(
        base,
        "SELECT view_name, refreshes, total_seconds, time_share FROM lifecycle.refresh_load('1 hour')",
    )
    assert (none, name, refreshes, seconds) == (None, "m", 2, 12)
    assert 1.9 < share <= 2.0, "12 s of the 10 minutes that the history goes back"
    assert rows(base, "SELECT * FROM lifecycle.refresh_load('1 microsecond')") == []


def test_an_incremental_view_beside_the_others(base):
    base.execute("CREATE INDEX ON public.fact (n)")
    call(base, "create_incremental_view", view_name="public.inc", key_columns=["n"], at_once=True,
         query="SELECT n, count(*) AS c FROM public.fact GROUP BY n")  # fmt: skip
    base.execute(
        "CREATE MATERIALIZED VIEW public.ranked AS SELECT n, rank() OVER (ORDER BY c DESC) AS place FROM public.inc"
    )
    manage(base, "inc", every="5 s")
    assert run(base)["inc"] == "unchanged"
    base.execute("INSERT INTO public.fact VALUES (100, 3)")
    assert changes(base, "inc") == (1, None)
    assert run(base, "only_changed => true") == {
        "inc": "refreshed", "m": "refreshed", "above": "refreshed", "ranked": "refreshed",
    }  # fmt: skip
    assert run(base, "only_changed => true")["ranked"] == "unchanged"
    base.execute("INSERT INTO public.fact VALUES (101, 3)")
    cascade = "SELECT view_name, mode FROM lifecycle.refresh_materialized_view('public.ranked', cascade => 'up')"
    assert rows(base, cascade) == [("inc", "incremental"), ("ranked", "plain")]
    base.execute("ALTER TABLE public.inc RENAME c TO d; INSERT INTO public.fact VALUES (102, 3)")
    assert run(base)["inc"] == "failed"
    assert run(base)["ranked"] == "skipped"
    assert rows(
        base,
        "SELECT last_status, last_sqlstate FROM lifecycle.mv_refresh_status WHERE view_name IN ('inc', 'ranked') "
        "ORDER BY view_name",
    ) == [("failed", "55000"), ("skipped", None)]
    assert base.value("SELECT entries FROM lifecycle.capture_status()") == 1, "and has taken nothing"
    base.execute("ALTER TABLE public.inc RENAME d TO c")
    assert run(base)["ranked"] == "refreshed"
