"""All views in order, each failure for itself, one run at a time."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import refused

REFRESH = "SELECT view_name, mode, status, sqlstate, error, note FROM lifecycle.refresh_all_materialized_views({})"
HASTE = "SET lifecycle.lock_attempts = '2'; SET lifecycle.lock_timeout = '20'; SET lifecycle.lock_retry_delay = '10'"
BASE = (
    "CREATE TABLE public.fact (id int PRIMARY KEY, n int); INSERT INTO public.fact SELECT g, g % 5 FROM"
    " generate_series(1, 50) AS g"
)


@pytest.fixture
def base(database):
    """A database with a table of facts."""
    database.execute(BASE)
    return database


def refresh(place, arguments=""):
    rows = place.execute(REFRESH.format(arguments))
    rows = rows if isinstance(rows, list) else rows.fetchall()
    return {row[0]: row[1:] for row in rows}


def status(place, arguments=""):
    return {name: row[1] for name, row in refresh(place, arguments).items()}


def test_what_a_row_says(base):
    base.execute(
        "CREATE MATERIALIZED VIEW public.totals AS SELECT n, count(*) AS c FROM public.fact GROUP BY n;"
        "CREATE UNIQUE INDEX ON public.totals (n); ANALYZE public.totals; INSERT INTO public.fact VALUES (99, 99)"
    )
    cursor = base.connect().execute("SELECT * FROM lifecycle.refresh_all_materialized_views()")
    assert [column.name for column in cursor.description] == [
        "view_schema", "view_name", "refresh_time_ms", "mode", "status", "rows", "bytes", "sqlstate",
        "error", "note",
    ]  # fmt: skip
    ((schema, name, spent, mode, state, rows, size, *nothing),) = cursor.fetchall()
    assert (schema, name, mode, state, rows) == ("public", "totals", "concurrent", "refreshed", 5)
    assert spent > 0
    assert size == base.value("SELECT pg_total_relation_size('public.totals')")
    assert nothing == [None, None, None]
    assert base.value("SELECT count(*) FROM public.totals") == 6


def test_order_follows_dependencies_and_not_names(base):
    base.execute(
        'CREATE MATERIALIZED VIEW public."z ""first""" AS SELECT count(*) AS n FROM public.fact;'
        'CREATE VIEW public.v1 AS SELECT n FROM public."z ""first"""; CREATE VIEW public.v2 AS SELECT n FROM public.v1;'
        "CREATE MATERIALIZED VIEW public.b AS SELECT n FROM public.v2;"
        "CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT n FROM public.b; END;"
        "CREATE MATERIALIZED VIEW public.a AS SELECT public.f() AS n; CREATE MATERIALIZED VIEW"
        " public.alone AS SELECT 1;"
        "INSERT INTO public.fact VALUES (100, 1)"
    )
    assert list(refresh(base)) == ["alone", 'z "first"', "b", "a"]
    assert base.value("SELECT n FROM public.a") == 51


def test_mode_is_what_postgresql_allows(base):
    base.execute(
        "CREATE MATERIALIZED VIEW good AS SELECT id, n FROM fact; CREATE UNIQUE INDEX ON good (n, id) INCLUDE (n);"
        "CREATE MATERIALIZED VIEW none AS SELECT id, n FROM fact;"
        "CREATE MATERIALIZED VIEW partial AS SELECT id, n FROM fact; CREATE UNIQUE INDEX ON partial (id) WHERE n > 0;"
        "CREATE MATERIALIZED VIEW expression AS SELECT id, n FROM fact; CREATE UNIQUE INDEX ON expression ((id + 1));"
        "CREATE MATERIALIZED VIEW plain_index AS SELECT id FROM fact; CREATE INDEX ON plain_index (id);"
        "CREATE MATERIALIZED VIEW empty AS SELECT id FROM fact WITH NO DATA; CREATE UNIQUE INDEX ON empty (id)"
    )
    rows = refresh(base)
    assert {name: row[0] for name, row in rows.items()} == {
        "good": "concurrent", "none": "plain", "partial": "plain", "expression": "plain", "plain_index": "plain",
        "empty": "plain",
    }  # fmt: skip
    assert {row[1] for row in rows.values()} == {"refreshed"}
    assert rows["good"][4] is None
    assert rows["empty"][4] == "plain: it held no data yet"
    assert rows["none"][4] == "plain: it has no unique index on columns alone and without WHERE"
    assert refresh(base)["empty"][0] == "concurrent"
    assert {row[0] for row in refresh(base, "concurrent => false").values()} == {"plain"}
    insisted = refresh(base, "concurrent => true")
    assert insisted["good"][:2] == ("concurrent", "refreshed")
    assert insisted["none"][:3] == ("concurrent", "failed", "55000")


def test_a_failure_stops_nobody_else(base):
    base.execute(
        "CREATE MATERIALIZED VIEW public.a_broken AS SELECT 1 / (count(*) - 51) AS x FROM public.fact;"
        "CREATE VIEW public.between AS SELECT x FROM public.a_broken;"
        "CREATE MATERIALIZED VIEW public.b_rests AS SELECT x FROM public.between;"
        "CREATE MATERIALIZED VIEW public.c_rests AS SELECT x FROM public.b_rests;"
        "CREATE MATERIALIZED VIEW public.d_sound AS SELECT count(*) AS n FROM public.fact;"
        "INSERT INTO public.fact VALUES (100, 1)"
    )
    rows = refresh(base)
    assert rows["a_broken"][1:4] == ("failed", "22012", "division by zero")
    assert rows["b_rests"][1] == "skipped"
    assert rows["b_rests"][4] == "reads what was not refreshed: public.a_broken"
    assert rows["c_rests"][4] == "reads what was not refreshed: public.b_rests"
    assert rows["d_sound"][1] == "refreshed"
    assert base.value("SELECT n FROM public.d_sound") == 51
    assert "WARNING: 1 views failed, 2 were skipped because of them" in base.notices
    history = "SELECT view_name, status, sqlstate, error FROM lifecycle.materialized_view_refresh ORDER BY view_name"
    assert base.execute(history)[0] == ("a_broken", "failed", "22012", "division by zero")


def test_duplicate_keys(base):
    base.execute("CREATE MATERIALIZED VIEW m AS SELECT n / 5 AS k FROM fact WHERE id = 1; CREATE UNIQUE INDEX ON m (k)")
    base.execute("DROP MATERIALIZED VIEW m; CREATE TABLE src (k int); INSERT INTO src VALUES (1)")
    base.execute(
        "CREATE MATERIALIZED VIEW m AS SELECT k FROM src; CREATE UNIQUE INDEX ON m (k); INSERT INTO src VALUES (1)"
    )
    assert refresh(base)["m"][:3] == ("concurrent", "failed", "21000")
    assert base.value("SELECT count(*) FROM m") == 1


def test_a_circle(base):
    base.execute(
        "CREATE VIEW v AS SELECT 1::bigint AS n; CREATE MATERIALIZED VIEW one AS SELECT n FROM v;"
        "CREATE MATERIALIZED VIEW two AS SELECT n FROM one; CREATE OR REPLACE VIEW v AS SELECT count(*) AS n FROM two;"
        "CREATE MATERIALIZED VIEW zero AS SELECT 0; CREATE MATERIALIZED VIEW after AS SELECT * FROM two;"
        "CREATE VIEW w AS SELECT 1 AS x; CREATE MATERIALIZED VIEW own AS SELECT x FROM w;"
        "CREATE OR REPLACE VIEW w AS SELECT x FROM own"
    )
    rows = refresh(base)
    assert {row[1] for row in rows.values()} == {"refreshed"}
    circle = "reads itself through other views: no order is right"
    assert [name for name, row in rows.items() if circle in (row[4] or "")] == ["after", "one", "two"]
    assert list(rows)[:2] == ["own", "zero"]


def test_schemas(base):
    base.execute(
        "CREATE SCHEMA a; CREATE SCHEMA b; CREATE MATERIALIZED VIEW b.low AS SELECT 1 AS x;"
        "CREATE MATERIALIZED VIEW a.high AS SELECT x FROM b.low; CREATE MATERIALIZED VIEW public.other AS SELECT 1"
    )
    assert list(refresh(base, "ARRAY['a', 'b']")) == ["low", "high"]
    assert list(refresh(base, "schemas => '{a}'")) == ["high"]
    assert refresh(base, "schemas => '{}'") == {}


def test_user_code_sees_the_callers_path(base):
    base.execute(
        "CREATE SCHEMA app; CREATE TABLE app.secret (n int); CREATE FUNCTION app.counted() RETURNS"
        " bigint LANGUAGE plpgsql AS"
        " $$ BEGIN RETURN (SELECT count(*) FROM secret); END $$; SET search_path = app, public;"
        "CREATE MATERIALIZED VIEW app.m AS SELECT app.counted() AS n WITH NO DATA"
    )
    expected = "failed" if base.server.major >= 17 else "refreshed"  # since 17 REFRESH pins the path itself
    assert status(base) == {"m": expected}
    assert base.value("SHOW search_path") == "app, public"
    base.execute("SET search_path = public")
    assert status(base) == {"m": "failed"}
    assert status(base, "search_path => 'app'") == {"m": expected}


@pytest.mark.parametrize(
    "name", ["select", 'a"b', "it's", "a.b", "Ünï %s %I", "x" * 63, "; DROP TABLE fact; --", "{a,b}"]
)
def test_hostile_names(base, name):
    quoted = '"' + name.replace('"', '""') + '"'
    base.execute(
        f"CREATE SCHEMA {quoted}; CREATE MATERIALIZED VIEW {quoted}.{quoted} AS SELECT id AS {quoted} FROM public.fact;"
        f"CREATE UNIQUE INDEX ON {quoted}.{quoted} ({quoted});"
        f"CREATE MATERIALIZED VIEW public.above AS SELECT 1 / (count(*) - 50) AS n FROM {quoted}.{quoted} WITH NO DATA"
    )
    assert status(base) == {name: "refreshed", "above": "failed"}
    assert base.execute("SELECT view_schema FROM lifecycle.check_mv_freshness() WHERE view_name = %s", [name]) == [
        (name,)
    ]
    base.execute("INSERT INTO public.fact VALUES (900, 1)")
    remedy = base.value("SELECT remedy FROM lifecycle.check_mv_freshness('0') WHERE view_name = %s", [name])
    assert base.execute(remedy)[0][4] == "refreshed"


def test_one_run_at_a_time(base, session):
    base.execute("CREATE MATERIALIZED VIEW m AS SELECT 1")
    other = session(base, autocommit=False)
    other.run(REFRESH.format(""))
    ((name, _, state, _, _, note),) = base.execute(REFRESH.format(""))
    assert (name, state) == (None, "busy")
    assert note == f"another run is under way in process {other.pid}"
    assert f"NOTICE: nothing was refreshed: {note}" in base.notices
    base.execute("CALL lifecycle.refresh_materialized_views()")
    assert base.notices.count(f"NOTICE: nothing was refreshed: {note}") == 2
    other.run("COMMIT")
    assert status(base) == {"m": "refreshed"}


def test_a_locked_view_fails_alone_and_names_the_holder(base, session):
    base.execute("CREATE MATERIALIZED VIEW a AS SELECT 1; CREATE MATERIALIZED VIEW b AS SELECT 1; " + HASTE)
    other = session(base, autocommit=False)
    other.run("SELECT * FROM b")
    before = base.value("SHOW lock_timeout")
    rows = refresh(base)
    assert rows["a"][1] == "refreshed"
    assert rows["b"][1:3] == ("failed", "55P03")
    assert f"2 tries; process {other.pid} holds AccessShareLock on public.b" in rows["b"][3]
    assert base.value("SHOW lock_timeout") == before
    other.run("COMMIT")
    assert set(status(base).values()) == {"refreshed"}


def test_a_reader_does_not_hinder_a_concurrent_refresh(base, session):
    base.execute("CREATE MATERIALIZED VIEW m AS SELECT id FROM fact; CREATE UNIQUE INDEX ON m (id); " + HASTE)
    other = session(base, autocommit=False)
    other.run("SELECT * FROM m")
    assert status(base) == {"m": "refreshed"}


def test_a_view_of_rows_that_row_security_keeps(base, roles):
    """The query runs as the owner of the view: row security of the base applies to that role."""
    owner = roles("owner")
    base.execute(
        f"GRANT ALL ON SCHEMA public TO {owner}; GRANT SELECT ON fact TO {owner}; ALTER TABLE fact"
        f" ENABLE ROW LEVEL SECURITY;"
        f"CREATE POLICY few ON fact FOR SELECT TO {owner} USING (id <= 10); CREATE MATERIALIZED VIEW m AS"
        f" SELECT count(*) AS n FROM fact; ALTER MATERIALIZED VIEW m OWNER TO {owner}"
    )
    assert status(base) == {"m": "refreshed"}
    assert base.value("SELECT n FROM m") == 10
    base.execute(f"REVOKE SELECT ON fact FROM {owner}")
    assert refresh(base)["m"][1:3] == ("failed", "42501")


def test_only_what_the_caller_may_refresh(base, roles):
    owner, stranger = roles("owner"), roles("stranger")
    base.execute(
        "CREATE MATERIALIZED VIEW theirs AS SELECT 1 AS x; CREATE MATERIALIZED VIEW mine AS SELECT x FROM theirs;"
        f"ALTER MATERIALIZED VIEW mine OWNER TO {owner}; GRANT SELECT ON theirs TO {owner};"
        f"SELECT lifecycle.grant_lifecycle_use('{owner}'); SELECT lifecycle.grant_lifecycle_use('{stranger}')"
    )
    connection = base.connect(owner)
    assert status(connection) == {"mine": "refreshed"}
    connection.execute("CALL lifecycle.refresh_materialized_views()")
    assert base.execute("SELECT DISTINCT view_name, refreshed_by FROM lifecycle.materialized_view_refresh") == [
        ("mine", owner)
    ]
    assert status(base.connect(stranger)) == {}
    with refused("42501", f"role {stranger} may not refresh public.mine"):
        base.connect(stranger).execute("SELECT * FROM lifecycle.refresh_materialized_view('mine')")


@pytest.mark.min_major(17)
def test_maintain_is_enough(base, roles):
    helper = roles("helper")
    base.execute(
        f"CREATE MATERIALIZED VIEW m AS SELECT 1; GRANT MAINTAIN ON m TO {helper};"
        f"SELECT lifecycle.grant_lifecycle_use('{helper}')"
    )
    assert status(base.connect(helper)) == {"m": "refreshed"}


def test_through_a_wrapper_by_a_role_that_owns_nothing(base, roles):
    owner, service = roles("owner"), roles("service")
    base.execute(
        f"CREATE MATERIALIZED VIEW m AS SELECT 1; ALTER MATERIALIZED VIEW m OWNER TO {owner};"
        f"GRANT ALL ON SCHEMA public TO {owner}; SELECT lifecycle.grant_lifecycle_admin('{owner}')"
    )
    base.connect(owner).execute(
        "SELECT lifecycle.expose('public', ARRAY['refresh_all_materialized_views'], ARRAY[%s::name], as_owner => true)",
        [service],
    )
    rows = base.connect(service).execute("SELECT view_name, status FROM refresh_all_materialized_views()").fetchall()
    assert rows == [("m", "refreshed")]


def test_one_view(base):
    base.execute(
        "CREATE MATERIALIZED VIEW m AS SELECT count(*) AS n FROM fact; INSERT INTO fact VALUES (100, 1);"
        "CREATE MATERIALIZED VIEW bad AS SELECT 1 / (count(*) - 51) AS n FROM fact WITH NO DATA"
    )
    ((name, state, mode),) = base.execute(
        "SELECT view_name, status, mode FROM lifecycle.refresh_materialized_view('m', concurrent => false)"
    )
    assert (name, state, mode) == ("m", "refreshed", "plain")
    assert base.value("SELECT n FROM m") == 51
    with refused("22012", "public.bad was not refreshed: division by zero"):
        base.execute("SELECT * FROM lifecycle.refresh_materialized_view('bad')")
    with refused("42809", "public.fact is a table"):
        base.execute("SELECT * FROM lifecycle.refresh_materialized_view('fact')")
    # What PostgreSQL says besides is not lost.
    with refused("55000", "Create a unique index with no WHERE clause"):
        base.execute("SELECT * FROM lifecycle.refresh_materialized_view('m', concurrent => true)")


def test_a_misspelt_schema(base):
    for call in ("SELECT * FROM lifecycle.refresh_all_materialized_views({})",
                 "SELECT * FROM lifecycle.preview_refresh_materialized_views({})",
                 "CALL lifecycle.refresh_materialized_views({})"):  # fmt: skip
        with refused("3F000", 'schema publik, "No such" does not exist'):
            base.execute(call.format("ARRAY['public', 'publik', 'No such']"))


def test_a_refresh_changes_no_schema(base):
    base.execute("CREATE MATERIALIZED VIEW m AS SELECT id FROM fact; CREATE UNIQUE INDEX ON m (id)")
    before = base.dump(schema_only=True)
    refresh(base)
    base.execute("CALL lifecycle.refresh_materialized_views()")
    assert base.dump(schema_only=True) == before


def test_the_procedure_commits_after_each_view(base, session, observer):
    base.execute(
        "CREATE MATERIALIZED VIEW a AS SELECT count(*) AS n FROM fact; CREATE MATERIALIZED VIEW b AS SELECT n FROM a;"
        "INSERT INTO fact VALUES (100, 1); CREATE MATERIALIZED VIEW c AS SELECT n FROM b; SET"
        " lifecycle.lock_attempts = '1'"
    )
    reader, runner = session(base, autocommit=False), session(base)
    reader.run("SELECT * FROM c")
    runner.run("SET lifecycle.lock_timeout = '450'; SET lifecycle.lock_attempts = '40'")
    runner.start("CALL lifecycle.refresh_materialized_views()")
    assert observer.settle(runner, [reader]) == "blocked"
    assert base.execute("SELECT n FROM a UNION ALL SELECT n FROM b") == [(51,), (51,)]  # neither locked nor old
    reader.run("COMMIT")
    runner.result()
    assert base.value("SELECT n FROM c") == 51


def test_the_procedure_fails_at_its_end(base):
    base.execute(
        "CREATE MATERIALIZED VIEW a AS SELECT 1 / (count(*) - 50) AS n FROM fact WITH NO DATA;"
        "CREATE MATERIALIZED VIEW b AS SELECT n FROM a WITH NO DATA; CREATE MATERIALIZED VIEW c AS"
        " SELECT 1 WITH NO DATA"
    )
    with refused("P0001", "2 views were not refreshed", "public.a failed: 22012 division by zero",
                 "public.b skipped: reads what was not refreshed: public.a"):  # fmt: skip
        base.execute("CALL lifecycle.refresh_materialized_views()")
    assert base.value("SELECT count(*) FROM c") == 1
    with base.connect(autocommit=False) as connection, pytest.raises(psycopg.errors.InvalidTransactionTermination):
        connection.execute("CALL lifecycle.refresh_materialized_views()")


def test_a_view_that_goes_during_the_run(base, session, observer):
    base.execute("CREATE MATERIALIZED VIEW a AS SELECT 1; CREATE MATERIALIZED VIEW b AS SELECT 1")
    reader, runner = session(base, autocommit=False), session(base)
    reader.run("SELECT * FROM a")
    runner.run("SET lifecycle.lock_timeout = '450'; SET lifecycle.lock_attempts = '40'")
    runner.start("CALL lifecycle.refresh_materialized_views()")
    assert observer.settle(runner, [reader]) == "blocked"
    base.execute("DROP MATERIALIZED VIEW b")
    reader.run("COMMIT")
    runner.result()
    assert base.execute("SELECT view_name, status FROM lifecycle.materialized_view_refresh") == [("a", "refreshed")]


VIEWS = """
CREATE MATERIALIZED VIEW public.b AS SELECT n, count(*) AS c FROM public.fact GROUP BY n;
CREATE UNIQUE INDEX ON public.b (n);
CREATE MATERIALIZED VIEW public.a AS SELECT sum(c) AS c FROM public.b;
CREATE MATERIALIZED VIEW public.broken AS SELECT 1 / min(n + 1) AS x FROM public.fact;
CREATE MATERIALIZED VIEW public.c AS SELECT x FROM public.broken;
"""
PREVIEW = "SELECT view_name, action, mode, note FROM lifecycle.preview_refresh_materialized_views({})"
STEP = "SELECT view_name, status FROM lifecycle.refresh_materialized_views_step(%s, {})"


def test_preview_is_what_will_be_done(base):
    base.execute(VIEWS)
    base.execute(
        "SELECT lifecycle.create_incremental_view('public.inc', 'SELECT n, count(*) AS c FROM public.fact GROUP BY n', "
        "'{n}', at_once => true)"
    )
    plain = "plain: it has no unique index on columns alone and without WHERE"
    before = base.dump()
    found = base.execute(PREVIEW.format(""))
    assert base.dump() == before, "nothing was changed"
    assert found == [
        ("b", "refresh", "concurrent", None),
        ("broken", "refresh", "plain", plain),
        ("inc", "refresh", "incremental", None),
        ("a", "refresh", "plain", plain),
        ("c", "refresh", "plain", plain),
    ]
    done = refresh(base)
    assert [(name, mode) for name, _, mode, _ in found] == [(name, row[0]) for name, row in done.items()]
    assert [row[:2] for row in base.execute(PREVIEW.format("only_changed => true"))] == [
        (name, "leave") for name in done
    ], "nothing has changed"
    base.execute("UPDATE public.fact SET n = 1 WHERE id = 1")
    base.execute("UPDATE lifecycle.incremental_view SET rebuild_reason = 'x'")
    assert base.execute(PREVIEW.format("only_changed => true, concurrent => false")) == [
        ("b", "refresh", "plain", None),
        ("broken", "refresh", "plain", None),
        ("inc", "refresh", "rebuild", "x"),
        ("a", "refresh", "plain", None),
        ("c", "refresh", "plain", None),
    ], "what a refreshed view feeds is refreshed too"
    assert {row[1] for row in base.execute(PREVIEW.format("only_due => true"))} == {"leave"}


def test_in_steps(base):
    """No time at all does one view a call; what was done since the run began, or tried in vain, is done."""
    base.execute(VIEWS)
    since = base.value("SELECT clock_timestamp()")
    base.execute("UPDATE public.fact SET n = -1 WHERE id = 1")
    steps = []
    while not steps or any(status == "pending" for _, status in steps[-1]):
        steps.append(base.execute(STEP.format("0"), [since]))
    assert steps == [
        [("b", "refreshed"), ("broken", "pending"), ("a", "pending"), ("c", "pending")],
        [("broken", "failed"), ("a", "pending"), ("c", "pending")],
        [("a", "refreshed"), ("c", "pending")],
        [("c", "skipped")],
    ]
    assert base.execute(STEP.format("60"), [since]) == [], "all is done"
    again = base.value("SELECT clock_timestamp()")
    done = [row[1] for row in base.execute(STEP.format("60"), [again])]
    assert done == ["refreshed", "failed", "refreshed", "skipped"]
    assert base.execute(STEP.format("0, only_due => true"), [base.value("SELECT now()")]) == [
        (name, "not due") for name in ("b", "broken", "a", "c")
    ], "what is left takes no time, and none is pending"
    for since in (None, "2999-01-01"):
        with refused("22023", "a step cannot be made with since"):
            base.execute(STEP.format("1"), [since])
