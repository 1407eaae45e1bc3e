"""Incremental views: equal to their query after whatever happened, refused where they could not be."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

BASE = """
CREATE TABLE public.region (id int PRIMARY KEY, name text);
CREATE TABLE public.shop (id int PRIMARY KEY, region int);
CREATE TABLE public.sale (id int PRIMARY KEY, shop int, at date, amount numeric NOT NULL);
CREATE INDEX ON public.sale (shop); CREATE INDEX ON public.shop (region);
INSERT INTO public.region SELECT g, 'r' || g FROM generate_series(1, 3) AS g;
INSERT INTO public.shop SELECT g, 1 + g % 3 FROM generate_series(1, 9) AS g;
INSERT INTO public.sale SELECT g, 1 + g % 9, date '2026-01-01' + g % 4, g FROM generate_series(1, 200) AS g;
"""
TOTALS = "SELECT shop, count(*) AS sales, sum(amount) AS amount FROM public.sale GROUP BY shop"
DAILY = "SELECT shop, at, jsonb_agg(amount ORDER BY id) AS amounts FROM public.sale GROUP BY shop, at"
NAMED = (
    "SELECT r.id, r.name, count(s.id) AS shops FROM public.region AS r LEFT JOIN public.shop "
    "AS s ON s.region = r.id GROUP BY r.id"
)
REGIONS = (
    "SELECT h.region, sum(s.amount) AS amount FROM public.sale AS s JOIN public.shop AS h ON "
    "h.id = s.shop GROUP BY h.region"
)
PATH = (
    '{"public.sale": {"columns": ["shop"], "query": "SELECT h.region FROM changed AS c JOIN '
    'public.shop AS h ON h.id = c.shop"}}'
)


@pytest.fixture
def base(database):
    """Sales of shops of regions."""
    database.execute(BASE)
    return database


def create(database, query, key, name="public.v", **more):
    """Makes an incremental view and fills it."""
    call(database, "create_incremental_view", view_name=name, query=query, key_columns=key, **more)
    database.execute("CALL lifecycle.run_pending()")
    return name


def refresh(place, name="public.v"):
    """One refresh: mode, status, note."""
    ((mode, status, note),) = rows(
        place, "SELECT mode, status, note FROM lifecycle.refresh_incremental_view(%s)", [name]
    )
    return mode, status, note


def difference(database, query, name="public.v"):
    """How many rows of the view are not those of the query."""
    texts = "SELECT x::text FROM ({}) AS x"
    mine, theirs = texts.format(f"TABLE {name}"), texts.format(query)
    return database.value(
        f"SELECT count(*) FROM (({mine} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {mine})) AS d"
    )


def test_only_what_changed_is_written(base):
    create(base, TOTALS, ["shop"])
    before = dict(base.execute("SELECT shop, xmin::text FROM public.v"))
    base.execute(
        "UPDATE public.sale SET amount = amount + 1 WHERE shop = 4; UPDATE public.sale SET amount "
        "= amount WHERE shop = 5"
    )
    assert refresh(base) == ("incremental", "refreshed", "keys 2, rows inserted 0, updated 1, deleted 0")
    after = dict(base.execute("SELECT shop, xmin::text FROM public.v"))
    assert {shop for shop in after if after[shop] != before[shop]} == {4}
    assert difference(base, TOTALS) == 0
    assert refresh(base)[:2] == ("incremental", "unchanged")


@pytest.mark.parametrize(
    ("query", "key", "sources"),
    [(TOTALS, ["shop"], "{}"), (DAILY, ["shop", "at"], "{}"), (NAMED, ["id"], "{}"), (REGIONS, ["region"], PATH)],
    ids=["one column", "two columns", "outer join", "path"],
)
def test_every_kind_of_write(base, query, key, sources):
    create(base, query, key, sources=sources)
    for write in [
        (
            "INSERT INTO public.sale VALUES (1000, 1, '2026-01-01', 7), (1001, 2, NULL, 7), (1002, "
            "NULL, NULL, 7), (1003, NULL, '2026-01-02', 1)"
        ),
        "UPDATE public.sale SET shop = 9, at = NULL WHERE id < 20",
        "UPDATE public.sale SET shop = NULL WHERE id BETWEEN 20 AND 30",
        "DELETE FROM public.sale WHERE shop = 3 OR shop IS NULL",
        "UPDATE public.shop SET region = 2 WHERE id = 1; INSERT INTO public.shop VALUES (77, NULL)",
        "UPDATE public.shop SET id = 78 WHERE id = 77; UPDATE public.region SET name = upper(name) WHERE id = 2",
        "MERGE INTO public.sale AS s USING (VALUES (1, 5), (5000, 5)) AS v (id, shop) ON s.id = v.id"
        " WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.shop, '2026-01-09', 3)",
        "DELETE FROM public.region WHERE id = 3; DELETE FROM public.shop WHERE region = 3",
    ]:
        base.execute(write)
        mode, _, note = refresh(base)
        assert (mode, difference(base, query)) == ("incremental", 0), f"{write}: {note}"
    base.execute("TRUNCATE public.sale, public.shop, public.region")
    assert refresh(base)[0] == "rebuild"
    assert difference(base, query) == 0
    assert rows(base, "SELECT severity, finding FROM lifecycle.verify_incremental_view('public.v')")[0] == (
        "ok",
        "equal",
    )


def test_partitioned_source(base):
    base.execute(
        "CREATE TABLE public.reading (at date, k int, n int) PARTITION BY RANGE (at); CREATE "
        "INDEX ON public.reading (k);"
        "CREATE TABLE public.r1 PARTITION OF public.reading FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');"
        "CREATE TABLE public.r2 PARTITION OF public.reading FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');"
        "INSERT INTO public.reading SELECT date '2026-01-01' + g % 50, g % 7, g FROM generate_series(1, 99) AS g"
    )
    query = "SELECT k, count(*) AS n, max(at) AS at FROM public.reading GROUP BY k"
    create(base, query, ["k"])
    base.execute(
        "INSERT INTO public.r2 VALUES ('2026-02-05', 100, 1); UPDATE public.reading SET at = '2026-02-02' WHERE n = 3"
    )
    assert refresh(base)[0] == "incremental"
    assert difference(base, query) == 0
    base.execute(
        "CREATE TABLE public.r3 (LIKE public.reading); INSERT INTO public.r3 VALUES ('2026-03-03', 3, 3);"
        "ALTER TABLE public.reading ATTACH PARTITION public.r3 FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"
    )
    mode, _, note = refresh(base)
    assert (mode, difference(base, query)) == ("rebuild", 0)
    assert "partitions were attached" in note
    assert "the capture of public.reading was mended, the next refresh is a rebuild too" in note
    assert base.value("SELECT problem FROM lifecycle.capture_status()") is None
    base.execute("INSERT INTO public.r3 VALUES ('2026-03-04', 4, 3)")
    assert refresh(base)[0] == "rebuild", "what was written before the triggers came has left no entry"
    base.execute("INSERT INTO public.r3 VALUES ('2026-03-04', 4, 4)")
    assert refresh(base)[0] == "incremental"
    assert difference(base, query) == 0


def test_a_problem_that_goes_as_it_came(base):
    """A refresh has read a partition that was attached, and could not mend the capture; then it is detached again.

    The capture looks as it did before, so the view must remember that it does not.
    """
    base.execute(
        "CREATE TABLE public.part (k int, n int) PARTITION BY LIST (n); CREATE INDEX ON public.part (k);"
        "CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES IN (1);"
        "CREATE TABLE public.part_2 (k int, n int);"
        "INSERT INTO public.part_2 VALUES (7, 2)"
    )
    query = "SELECT k, count(*) AS c FROM public.part GROUP BY k"
    create(base, query, ["k"])
    base.execute("ALTER TABLE public.part ATTACH PARTITION public.part_2 FOR VALUES IN (2)")
    base.execute("SET lifecycle.lock_attempts = '1'; SET lifecycle.lock_timeout = '20'")
    writer = base.connect(autocommit=False)
    writer.execute("INSERT INTO public.part VALUES (1, 1)")
    assert "was not mended: 55P03" in refresh(base)[2]
    assert base.value("SELECT c FROM public.v WHERE k = 7") == 1
    assert base.value("SELECT change_note FROM lifecycle.mv_refresh_status").startswith(
        "the last refresh found: 4 trig"
    )
    writer.rollback()
    base.execute("ALTER TABLE public.part DETACH PARTITION public.part_2")
    assert base.value("SELECT problem FROM lifecycle.capture_status()") is None
    assert refresh(base)[0] == "rebuild"
    assert difference(base, query) == 0
    assert refresh(base)[1] == "unchanged"


def test_views_on_views(base):
    create(base, TOTALS, ["shop"])
    above = "SELECT sales, count(*) AS shops FROM public.v GROUP BY sales"
    create(base, above, ["sales"], name="public.w")
    base.execute("DELETE FROM public.sale WHERE id < 5")
    refresh(base)
    assert refresh(base, "public.w")[0] == "incremental"
    assert difference(base, above, "public.w") == 0


def test_what_took_less_is_done(base):
    """By the times of this view: keys, also most of them, while they are cheaper; everything when that is."""
    create(base, "SELECT id, amount FROM public.sale", ["id"])
    base.execute("INSERT INTO public.sale SELECT g, 1, NULL, g FROM generate_series(1000, 3999) AS g")
    base.execute("ANALYZE public.v; UPDATE lifecycle.incremental_view SET key_ms = 0.001, rebuild_ms = 1000")
    assert refresh(base) == ("incremental", "refreshed", "keys 3000, rows inserted 3000, updated 0, deleted 0")
    assert base.execute(
        "SELECT key_ms > 0.001, rebuild_ms, (SELECT max(key_count) FROM lifecycle.materialized_view_refresh) "
        "FROM lifecycle.incremental_view"
    ) == [(True, 1000, 3000)], "what was measured is kept"
    base.execute("UPDATE lifecycle.incremental_view SET key_ms = 1, rebuild_ms = 900")
    base.execute("UPDATE public.sale SET amount = 2 WHERE id BETWEEN 1000 AND 2500")
    mode, _, note = refresh(base)
    assert mode == "rebuild"
    assert note == (
        "1501 keys would take about 1501 ms, all rows took 900 ms; rows inserted 0, updated 1501, deleted 0"
    )
    assert base.value("SELECT rebuild_ms < 900 FROM lifecycle.incremental_view"), "and a rebuild is measured again"
    base.execute("UPDATE lifecycle.incremental_view SET key_ms = 9, rebuild_ms = 900")
    base.execute("UPDATE public.sale SET amount = 3 WHERE id BETWEEN 1000 AND 2500")
    base.execute("SET lifecycle.incremental_share = '100'")
    assert refresh(base)[0] == "incremental", "never, if somebody says so"
    assert difference(base, "SELECT id, amount FROM public.sale") == 0


def test_large_change_is_a_rebuild(base):
    create(base, "SELECT id, amount FROM public.sale", ["id"])
    base.execute("INSERT INTO public.sale SELECT g, 1, NULL, g FROM generate_series(1000, 3000) AS g")
    mode, _, note = refresh(base)
    assert mode == "rebuild"
    assert "more than 20 % of its rows have changed" in note
    assert base.value("SELECT count(*) FROM public.v") == 2201


@pytest.mark.parametrize(
    ("query", "key", "words"),
    [
        ("SELECT shop, random() AS r FROM public.sale GROUP BY shop", ["shop"], ["random() is volatile"]),
        ("SELECT shop, now() AS r FROM public.sale GROUP BY shop", ["shop"], ["now() moves with the clock", "toleran"]),
        ("SELECT shop, CURRENT_DATE AS r FROM public.sale GROUP BY shop", ["shop"], ["CURRENT_DATE"]),
        ("SELECT shop, CURRENT_USER AS r FROM public.sale GROUP BY shop", ["shop"], ["depends on who asks"]),
        ("SELECT shop, public.hidden() AS r FROM public.sale GROUP BY shop", ["shop"], ["body in quotes"]),
        ("SELECT * FROM public.clock", ["shop"], ["now() moves with the clock"]),
        ("SELECT shop, rank() OVER (ORDER BY sum(amount)) FROM public.sale GROUP BY shop", ["shop"], ["Subquery Scan"]),
        ("SELECT shop, sum(amount) FROM public.sale GROUP BY ROLLUP (shop)", ["shop"], ["depend on rows of other key"]),
        ("SELECT shop, id FROM public.sale ORDER BY id LIMIT 5", ["shop"], ["depend on rows of other keys"]),
        ("SELECT array[shop] AS k FROM public.sale", ["k"], ["cannot be a key"]),
        ("SELECT '{}'::json AS k FROM public.sale", ["k"], ["cannot be a key"]),
    ],
)  # fmt: skip
def test_refused_with_the_reason(base, query, key, words):
    base.execute(
        "CREATE FUNCTION public.hidden() RETURNS bigint LANGUAGE sql STABLE AS 'SELECT count(*) FROM public.shop';"
        "CREATE VIEW public.clock AS SELECT shop, max(now()) AS at FROM public.sale GROUP BY shop"
    )
    before = base.dump(schema_only=True)
    with refused("0A000", *words):
        call(base, "create_incremental_view", view_name="public.v", query=query, key_columns=key)
    assert base.dump(schema_only=True) == before


def test_sources_that_nobody_named(base):
    share = "SELECT shop, sum(amount) / (SELECT sum(amount) FROM public.sale) AS share FROM public.sale GROUP BY shop"
    base.execute("DROP INDEX public.sale_shop_idx")
    for query, key in [
        (REGIONS, ["region"]),
        (share, ["shop"]),
        ("SELECT lower(name) AS n FROM public.region GROUP BY 1", ["n"]),
    ]:
        with refused("55000", "does not say which keys a change of public.", "sources"):
            call(base, "create_incremental_view", view_name="public.v", query=query, key_columns=key)
    with refused("55000", "public.sale"):
        call(
            base,
            "create_incremental_view",
            view_name="public.v",
            query=share,
            key_columns=["shop"],
            sources='{"public.sale": ["shop"]}',
        )
    with refused("22023", "source public.sale cannot be 5"):
        call(
            base,
            "create_incremental_view",
            view_name="public.v",
            query=share,
            key_columns=["shop"],
            sources='{"public.sale": 5}',
        )
    create(base, share, ["shop"], sources='{"public.sale": "rebuild"}')
    base.execute("UPDATE public.sale SET amount = 500 WHERE id = 1")
    assert refresh(base)[0] == "rebuild"
    assert difference(base, share) == 0


JOINS = [
    (REGIONS, ["region"]),
    (
        "SELECT h.region, h.id AS shop, count(*) AS n FROM public.shop AS h JOIN public.sale AS s ON s.shop = h.id "
        "GROUP BY h.region, h.id",
        ["region", "shop"],
    ),
    (
        "SELECT r.name, sum(s.amount) AS n FROM public.region AS r JOIN public.shop AS h ON h.region = r.id "
        "LEFT JOIN public.sale AS s ON s.shop = h.id GROUP BY r.name",
        ["name"],
    ),
    (
        "SELECT h.region, count(*) AS n FROM public.shop AS h JOIN public.sale AS s ON s.shop = h.id JOIN public.shop "
        "AS o ON o.id = s.id GROUP BY h.region",
        ["region"],
    ),
    (
        "SELECT h.region FROM public.shop AS h WHERE EXISTS (SELECT FROM public.sale AS s WHERE s.shop = h.id AND "
        "s.amount > 100) GROUP BY h.region",
        ["region"],
    ),
]


@pytest.mark.parametrize(("query", "key"), JOINS, ids=["join", "two keys", "two joins", "twice", "exists"])
def test_keys_found_through_joins(base, query, key):
    base.execute("CREATE INDEX ON public.region (name)")
    create(base, query, key)
    for write in [
        "INSERT INTO public.sale VALUES (1000, 1, '2026-01-01', 700), (1001, NULL, '2026-01-01', 7)",
        "UPDATE public.sale SET shop = 1 + (shop + 1) % 9, at = at + 1 WHERE id % 5 = 0",
        "UPDATE public.shop SET region = 1 + region % 3 WHERE id IN (1, 2)",
        "UPDATE public.sale SET shop = 3 WHERE shop = 1; UPDATE public.shop SET id = 50 WHERE id = 1",
        "UPDATE public.region SET name = 'other' WHERE id = 2; DELETE FROM public.shop WHERE id = 4",
        "DELETE FROM public.sale WHERE shop IN (2, 3); DELETE FROM public.region WHERE id = 1",
    ]:
        base.execute(write)
        mode, _, note = refresh(base)
        assert (mode, difference(base, query)) == ("incremental", 0), f"{write}: {note}"


def test_a_condition_that_need_not_hold_proves_nothing(base):
    base.execute("ALTER TABLE public.sale ADD everywhere bool; CREATE INDEX ON public.sale (everywhere)")
    query = (
        "SELECT h.region, count(s.id) AS n FROM public.shop AS h LEFT JOIN public.sale AS s "
        "ON s.shop = h.id OR s.everywhere GROUP BY h.region"
    )
    with refused("55000", "public.sale", "by an index, for a column of a table"):
        call(base, "create_incremental_view", view_name="public.v", query=query, key_columns=["region"])
    # Each of the two would need the other one as it was: a shop that moves while a sale of it goes is in no lookup.
    mixed = (
        "SELECT h.region, s.at, count(*) AS n FROM public.shop AS h JOIN public.sale AS s ON s.shop = h.id "
        "GROUP BY h.region, s.at"
    )
    with refused("55000", "a change of public.sale, public.shop concerns"):
        call(base, "create_incremental_view", view_name="public.v", query=mixed, key_columns=["region", "at"])
    assert rows(
        base,
        "SELECT lifecycle._conjuncts(c) FROM unnest(%s::text[]) AS c",
        [
            [
                "(a = b)",
                "((a = b) AND (c = d))",
                "((a = b) OR (c = d))",
                "((\"x) AND (\" = ') AND (') AND ((a = b) OR c))",
            ]
        ],
    ) == [
        (["(a = b)"],),
        (["(a = b)", "(c = d)"],),
        (["((a = b) OR (c = d))"],),
        (["(\"x) AND (\" = ') AND (')", "((a = b) OR c)"],),
    ]


def test_source_that_never_changes(base):
    create(base, REGIONS, ["region"], sources='{"public.sale": null}')
    assert base.value("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.sale'::regclass") == 0
    base.execute("UPDATE public.shop SET region = 3 WHERE id = 1")
    assert refresh(base)[0] == "incremental"
    assert difference(base, REGIONS) == 0


def test_key_that_does_not_determine_a_row(base):
    call(
        base,
        "create_incremental_view",
        view_name="public.v",
        query="SELECT shop, amount FROM public.sale",
        key_columns=["shop"],
    )
    with refused("21000", "several rows for one key (shop)"):
        refresh(base)
    base.execute("DELETE FROM public.sale WHERE id > 9")
    assert refresh(base)[0] == "rebuild"
    base.execute("INSERT INTO public.sale VALUES (500, 1, NULL, 1)")
    with refused("21000", "several rows"):
        refresh(base)
    assert base.value("SELECT entries FROM lifecycle.capture_status()") == 1, "the refused refresh has taken nothing"


def test_a_failure_is_seen_where_it_can_be(base):
    """The function alone raises: what it would write down goes with its transaction. Beside others it is a row."""
    create(base, "SELECT shop, 1 / min(amount) AS x FROM public.sale GROUP BY shop", ["shop"])
    base.execute("UPDATE public.sale SET amount = 0 WHERE id = 3")
    failures = "SELECT sqlstate, error FROM lifecycle.materialized_view_refresh WHERE status = 'failed'"
    status = "SELECT last_status, last_sqlstate, changes_since > 0 FROM lifecycle.mv_refresh_status"
    with refused("22012", "division by zero"):
        refresh(base)
    assert rows(base, failures) == []
    assert rows(base, status) == [("refreshed", None, True)], "the change still waits"
    one = "SELECT status, sqlstate, error FROM lifecycle.refresh_all_materialized_views()"
    assert rows(base, one) == [("failed", "22012", "division by zero")]
    with refused("P0001", "22012 division by zero"):
        base.execute("CALL lifecycle.refresh_materialized_views()")
    assert rows(base, failures) == [("22012", "division by zero")] * 2
    assert rows(base, status) == [("failed", "22012", True)]


def test_tolerance_for_the_clock(base):
    query = "SELECT shop, max(at) < CURRENT_DATE AS old FROM public.sale GROUP BY shop"
    create(base, query, ["shop"], tolerance="1 hour")
    assert refresh(base)[:2] == ("incremental", "unchanged")
    base.execute("UPDATE lifecycle.incremental_view SET rebuilt_at = now() - interval '2 hours'")
    mode, _, note = refresh(base)
    assert mode == "rebuild"
    assert "older than its tolerance" in note


def test_wrong_arguments(base):
    for sqlstate, more in [
        ("42703", {"key_columns": ["nothing"]}),
        ("22023", {"key_columns": []}),
        ("22023", {"key_columns": ["shop", "shop"]}),
        ("42P01", {"query": "SELECT shop FROM public.nothing"}),
        ("42601", {"query": "SELEKT"}),
        ("42P07", {"view_name": "public.shop"}),
        ("3F000", {"view_name": "nowhere.v"}),
        ("42602", {"view_name": "a.b.c"}),
        ("42P01", {"sources": '{"public.nothing": null}'}),
    ]:
        with refused(sqlstate):
            call(
                base,
                "create_incremental_view",
                **({"view_name": "public.v", "query": TOTALS, "key_columns": ["shop"]} | more),
            )
    with refused("42704", "not an incremental view"):
        refresh(base, "public.shop")


def test_the_query_keeps_its_meaning(base):
    """Names, time zone and formats are those of the session that made the view, whoever refreshes it."""
    base.execute(
        "CREATE SCHEMA other; CREATE TABLE other.sale (shop int); CREATE TABLE public.event (at timestamptz, k int);"
        "INSERT INTO public.event VALUES ('2026-01-01 23:30+00', 1)"
    )
    maker = base.connect()
    maker.execute("SET timezone = 'Asia/Tokyo'; SET datestyle = 'German'; SET search_path = public")
    query = "SELECT k, min(at)::date::text AS day FROM event GROUP BY k"
    rows(maker, "SELECT lifecycle.create_incremental_view('v', %s, '{k}', at_once => true)", [query])
    base.execute(
        "SET timezone = 'America/New_York'; SET search_path = other; INSERT INTO public.event "
        "VALUES ('2026-01-01 23:30+00', 2)"
    )
    refresh(base)
    assert rows(base, "SELECT k, day FROM public.v ORDER BY k") == [(1, "02.01.2026"), (2, "02.01.2026")]


def test_readers_never_see_half_of_it(base):
    create(base, TOTALS, ["shop"])
    base.execute("UPDATE public.sale SET amount = 0")
    worker = base.connect(autocommit=False)
    rows(worker, "SELECT lifecycle.refresh_incremental_view('public.v', 5)")
    assert base.value("SELECT count(*) FROM public.v WHERE amount = 0") == 0
    worker.commit()
    assert base.value("SELECT count(*) FROM public.v WHERE amount = 0") == 9


def test_chunks(base):
    create(base, TOTALS, ["shop"])
    for shop in range(1, 10):
        base.execute("UPDATE public.sale SET amount = 0 WHERE shop = %s", [shop])
    rows(base, "SELECT lifecycle.refresh_incremental_view('public.v', 2)")
    assert difference(base, TOTALS) == 0
    assert base.value("SELECT entries FROM lifecycle.capture_status()") == 0


def test_killed_refresh_resumes(base, session):
    create(base, TOTALS, ["shop"])
    base.execute("UPDATE public.sale SET amount = 0 WHERE shop < 5")
    worker = session(base)
    worker.run("BEGIN")
    worker.run("SELECT lifecycle.refresh_incremental_view('public.v')")
    base.execute("SELECT pg_terminate_backend(%s, 10000)", [worker.pid])
    assert difference(base, TOTALS) > 0
    assert refresh(base) == ("incremental", "refreshed", "keys 4, rows inserted 0, updated 4, deleted 0")
    assert difference(base, TOTALS) == 0


def test_one_refresh_at_a_time(base):
    create(base, TOTALS, ["shop"])
    holder = base.connect(autocommit=False)
    rows(holder, "SELECT lifecycle.refresh_incremental_view('public.v')")
    assert refresh(base)[1:] == ("busy", "another session is refreshing it")
    holder.rollback()
    with refused("25000", "READ COMMITTED"):
        base.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT lifecycle.refresh_incremental_view('public.v')")
    base.execute("ROLLBACK")


def test_verify_finds_and_repairs(base):
    create(base, TOTALS, ["shop"])
    base.execute(
        "DELETE FROM public.v WHERE shop = 1; UPDATE public.v SET sales = 0 WHERE shop = 2; "
        "INSERT INTO public.v VALUES (999)"
    )
    verify = "SELECT severity, finding, detail FROM lifecycle.verify_incremental_view('public.v', {})"
    assert rows(base, verify.format("false")) == [("error", "differs", "2 rows are missing or old, 2 are wrong")]
    assert rows(base, verify.format("true")) == [("warning", "repaired", "2 rows were missing or old, 2 were wrong")]
    assert rows(base, verify.format("false")) == [("ok", "equal", "it is what its query returns")]
    assert difference(base, TOTALS) == 0


def test_missing_index_is_said(base):
    steps = call(
        base,
        "create_incremental_view",
        view_name="public.v",
        query="SELECT at, count(*) AS n FROM public.sale GROUP BY at",
        key_columns=["at"],
    )
    assert any("no index of public.sale leads to the rows of one key" in (s.note or "") for s in steps)
    refresh(base)
    assert ("warning", "no index") in rows(
        base, "SELECT severity, finding FROM lifecycle.verify_incremental_view('public.v')"
    )


def test_renames_are_followed_and_losses_are_said(base):
    create(base, TOTALS, ["shop"])
    base.execute(
        "ALTER TABLE public.v RENAME TO totals; ALTER TABLE public.sale RENAME TO deal; UPDATE "
        "public.deal SET amount = 1 WHERE shop = 1"
    )
    assert refresh(base, "public.totals")[0] == "incremental"
    assert difference(base, TOTALS.replace("public.sale", "public.deal"), "public.totals") == 0
    base.execute("ALTER TABLE public.totals RENAME COLUMN sales TO n")
    with refused("55000", "it has no column sales"):
        refresh(base, "public.totals")
    base.execute(
        "ALTER TABLE public.totals RENAME COLUMN n TO sales; TRUNCATE public.totals; DROP VIEW "
        "lifecycle_data.public_v_query"
    )
    with refused("55000", "the view with its query is gone"):
        refresh(base, "public.totals")


def test_the_old_name_of_a_renamed_view_is_free(base):
    create(base, TOTALS, ["shop"])
    for n in (1, 2):
        base.execute(f"ALTER TABLE public.v RENAME TO v{n}")
        create(base, TOTALS, ["shop"])
    base.execute("UPDATE public.sale SET amount = 1 WHERE shop = 1")
    for name in ("public.v", "public.v1", "public.v2"):
        assert refresh(base, name)[0] == "incremental"
        assert difference(base, TOTALS, name) == 0
    rows(base, "SELECT * FROM lifecycle.rollback_incremental_view('public.v1', dry_run => false)")
    rows(base, "SELECT * FROM lifecycle.rollback_incremental_view('public.v', dry_run => false)")
    base.execute("UPDATE public.sale SET amount = 2 WHERE shop = 2")
    assert refresh(base, "public.v2")[0] == "incremental"
    assert difference(base, TOTALS, "public.v2") == 0


def test_a_dropped_view_is_to_be_rolled_back_first(base):
    """Its queue would grow for ever."""
    create(base, TOTALS, ["shop"])
    base.execute("DROP TABLE public.v")
    way_back = "SELECT * FROM lifecycle.rollback_migration(1, dry_run => false)"
    with refused("55000", "public.v was dropped, but never rolled back", way_back):
        create(base, TOTALS, ["shop"])
    base.execute(way_back)
    create(base, TOTALS, ["shop"])


def test_two_clocks(base):
    create(base, TOTALS, ["shop"])
    status = (
        "SELECT kind, is_populated, checked_at = data_as_of, data_as_of, last_status FROM "
        "lifecycle.mv_refresh_status WHERE view_name = 'v'"
    )
    assert base.value("SELECT count(*) FROM lifecycle.check_mv_freshness() WHERE checked_at = data_as_of") == 1
    (first,) = rows(base, status)
    assert first[:3] == ("incremental view", True, True)
    refresh(base)
    (second,) = rows(base, status)
    assert second[3] > first[3], "nothing had changed, and that is known as of now"
    assert rows(base, "SELECT finding, remedy FROM lifecycle.check_mv_freshness('1 day')") == [("fresh", None)]


def test_row_security_and_rights(base, roles):
    owner, stranger = roles("owner"), roles("stranger")
    base.execute(
        f"SELECT lifecycle.grant_lifecycle_admin('{owner}'), "
        f"lifecycle.grant_lifecycle_admin('{stranger}'); GRANT ALL ON SCHEMA public TO {owner}, "
        f"{stranger};"
        f"ALTER TABLE public.sale OWNER TO {owner}; ALTER TABLE public.shop OWNER TO {owner}"
    )
    mine = base.connect(owner)
    rows(mine, "SELECT lifecycle.create_incremental_view('public.v', %s, '{shop}')", [TOTALS])
    assert refresh(mine)[0] == "rebuild"
    with refused("42501"):
        refresh(base.connect(stranger))
    with refused("42501", "must be owner of public.sale"):
        base.execute(f"GRANT SELECT ON public.sale TO {stranger}")
        rows(base.connect(stranger), "SELECT lifecycle.create_incremental_view('public.w', %s, '{shop}')", [TOTALS])
    rows(mine, "SELECT lifecycle.create_incremental_view('public.r', %s, '{region}', %s)", [REGIONS, PATH])
    base.execute("SELECT pg_catalog.set_config('role', %s, false)", [owner])
    with refused("42501", "were stored by"):
        refresh(base, "public.r")
    base.execute("RESET ROLE; UPDATE public.sale SET amount = 3 WHERE id = 1")
    assert refresh(mine, "public.r")[0] == "rebuild"
    base.execute(
        "ALTER TABLE public.sale ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE "
        "POLICY p ON public.sale USING (shop <> 1)"
    )
    rows(mine, "SELECT lifecycle.rebuild_incremental_view('public.v')")
    assert base.value("SELECT count(*) FROM public.v WHERE shop = 1") == 0, (
        "rows that the owner of the view may not see are not in it"
    )
    base.execute("ALTER TABLE public.v ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON public.v USING (shop < 3)")
    base.execute("UPDATE public.sale SET amount = 4 WHERE shop > 1")
    assert refresh(mine)[0] == "incremental", "its owner sees all rows of the view, others do not"
    base.execute("ALTER TABLE public.v FORCE ROW LEVEL SECURITY")
    with refused("55000", "row security hides rows of public.v"):
        refresh(mine)
    assert refresh(base)[1] == "unchanged"


def test_rollback_while_it_is_used(base):
    before = base.dump(schema_only=True)
    create(base, REGIONS, ["region"], sources=PATH)
    base.execute("UPDATE public.sale SET amount = 3")
    assert {s.status for s in call(base, "rollback_incremental_view", target="public.v", dry_run=False)} == {"done"}
    assert base.dump(schema_only=True) == before
    with refused("55000", "no incremental view stands"):
        call(base, "rollback_incremental_view", target="public.sale")


def test_restored_elsewhere(base):
    create(base, TOTALS, ["shop"])
    base.execute("UPDATE public.sale SET amount = 3 WHERE id = 1")
    copy = base.clone()
    copy.execute("UPDATE public.sale SET amount = 4 WHERE id = 2")
    mode, _, note = refresh(copy)
    assert mode == "rebuild"
    assert "restored" in note
    assert difference(copy, TOTALS) == 0
    copy.execute("UPDATE public.sale SET amount = 5 WHERE id = 2")
    refresh(copy)
    assert difference(copy, TOTALS) == 0
