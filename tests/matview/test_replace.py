"""Materialized views made, given another query and taken back, with everything that hangs on them."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows
from harness.sessions import Session

BASE = """
CREATE TABLE public.sale (id int PRIMARY KEY, shop int, amount numeric NOT NULL);
INSERT INTO public.sale SELECT g, g % 7, g FROM generate_series(1, 100) AS g;
"""
TOTALS = "SELECT shop, sum(amount) AS amount FROM public.sale GROUP BY shop"
MORE = "SELECT shop, sum(amount) * 2 AS amount, count(*) AS sales FROM public.sale GROUP BY shop"
RICH = """
CREATE MATERIALIZED VIEW public.m WITH (fillfactor = 70, autovacuum_enabled = false, toast.autovacuum_enabled = off) AS
    SELECT shop, sum(amount) AS amount, max(shop::text) AS label FROM public.sale GROUP BY shop;
CREATE UNIQUE INDEX "M key" ON public.m (shop) INCLUDE (amount);
CREATE INDEX m_expr ON public.m ((amount * 2), lower(label) text_pattern_ops) WITH (fillfactor = 50) WHERE shop > 2;
ALTER INDEX public.m_expr ALTER COLUMN 1 SET STATISTICS 9;
ALTER TABLE public.m CLUSTER ON "M key";
ALTER MATERIALIZED VIEW public.m ALTER COLUMN amount SET STATISTICS 55;
ALTER MATERIALIZED VIEW public.m ALTER COLUMN label SET STORAGE EXTERNAL;
ALTER MATERIALIZED VIEW public.m ALTER COLUMN label SET (n_distinct = -0.5);
CREATE STATISTICS public.m_stat (dependencies, mcv) ON shop, amount FROM public.m;
ALTER STATISTICS public.m_stat SET STATISTICS 77;
COMMENT ON STATISTICS public.m_stat IS 'both';
COMMENT ON MATERIALIZED VIEW public.m IS 'the view';
COMMENT ON COLUMN public.m.label IS 'the label';
COMMENT ON INDEX public."M key" IS 'the key';
GRANT SELECT ON public.m TO {alice} WITH GRANT OPTION;
GRANT SELECT (label) ON public.m TO {bob};
CREATE VIEW public.v WITH (security_barrier = true) AS SELECT shop, amount FROM public.m WHERE amount > 0;
GRANT SELECT ON public.v TO {bob};
COMMENT ON VIEW public.v IS 'above';
CREATE VIEW public.w WITH (security_invoker = true) AS SELECT v.shop, m.label FROM public.v JOIN public.m USING (shop);
CREATE MATERIALIZED VIEW public.n AS SELECT max(amount) AS top FROM public.v;
CREATE UNIQUE INDEX n_key ON public.n (top);
GRANT SELECT ON public.n TO {alice};
CREATE VIEW public.x AS SELECT * FROM public.n;
CREATE FUNCTION public.stop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER stop INSTEAD OF INSERT ON public.x FOR EACH ROW EXECUTE FUNCTION public.stop();
ALTER VIEW public.x OWNER TO {alice};
"""
RICHER = (
    "SELECT shop, sum(amount) * 10 AS amount, max(shop::text) AS label, count(*) AS sales FROM public.sale GROUP BY 1"
)


@pytest.fixture
def base(database):
    """A hundred sales in seven shops."""
    database.execute(BASE)
    return database


WRONG = {
    "no name": ("22023", "view_name must not be NULL or empty", {"view_name": None}),
    "blanks": ("42602", "'My View' is not a name", {"view_name": "My View"}),
    "no query": ("22023", "query must not be NULL or empty", {"query": None}),
}
AMBIGUOUS = ("23505", "Key (shop)=", {"query": "SELECT shop FROM public.sale"})
MAKERS = {"create_materialized_view": {"unique_key": ["shop"]}, "create_incremental_view": {"key_columns": ["shop"]}}


@pytest.mark.parametrize(
    ("function", "wrong"),
    [*((function, wrong) for function in MAKERS for wrong in WRONG.values()), ("create_materialized_view", AMBIGUOUS)],
)
def test_wrong_arguments(base, function, wrong):
    sqlstate, words, arguments = wrong
    with refused(sqlstate, words):
        call(base, function, **({"view_name": "public.m", "query": TOTALS} | MAKERS[function] | arguments))


@pytest.fixture
def rich(base, roles):
    """A materialized view with all that a materialized view can have."""
    base.execute(RICH.replace("{alice}", roles("alice")).replace("{bob}", roles("bob")))
    return base


def test_created_with_a_key_and_a_first_refresh(base):
    steps = call(
        base,
        "create_materialized_view",
        view_name="public.m",
        query=TOTALS,
        unique_key=["shop"],
        indexes=[
            "amount DESC",
            "USING hash (amount)",
            "(shop) WHERE amount > 9",
            "lower(shop::text)",
        ],
    )
    assert {s.status for s in steps} == {"done"}
    assert base.value("SELECT count(*) FROM public.m") == 7
    assert base.value("SELECT count(*) FROM pg_index WHERE indrelid = 'public.m'::regclass") == 5
    assert rows(base, "SELECT view_name, last_status, kind FROM lifecycle.mv_refresh_status") == [
        ("m", "refreshed", "materialized view")
    ]
    assert rows(base, "SELECT mode, status FROM lifecycle.refresh_materialized_view('public.m')") == [
        ("concurrent", "refreshed")
    ]


def test_created_without_key_or_data(base):
    (made,) = call(
        base,
        "create_materialized_view",
        view_name="m",
        query=TOTALS,
        unique_key=None,
        with_data=False,
    )
    assert "locks readers out" in made.note
    with refused("55000", "not been populated"):
        base.execute("TABLE public.m")


def test_refused_when_made(base):
    arguments = {"view_name": "public.m", "query": TOTALS, "unique_key": ["shop"]}
    for sqlstate, words, more in [
        ("42703", ["no column nothing", "shop, amount"], {"unique_key": ["nothing"]}),
        ("23505", ['unique index "m_key"'], {"query": "SELECT 1 AS shop FROM public.sale"}),
        ("42P07", ["It is not a materialized view"], {"view_name": "public.sale"}),
        ("3F000", [], {"view_name": "nowhere.m"}),
        ("42601", [], {"query": "SELEKT"}),
    ]:
        with refused(sqlstate, *words):
            call(base, "create_materialized_view", **(arguments | more))
    call(base, "create_materialized_view", **arguments)
    with refused(
        "42P07",
        "It is a materialized view of another query",
        "replace_materialized_view",
    ):
        call(base, "create_materialized_view", **(arguments | {"query": MORE}))


def test_everything_comes_along(rich):
    before = rich.dump(schema_only=True)
    steps = call(rich, "replace_materialized_view", target="public.m", query=RICHER)
    assert {s.status for s in steps} == {"done"}
    assert "made anew: public.v" in steps[2].note
    assert rich.value("SELECT sum(amount) FROM public.v") == 50500
    assert rich.value("SELECT top FROM public.x") == rich.value("SELECT max(amount) FROM public.m")
    after = rich.dump(schema_only=True)
    lost = set(before.splitlines()) - set(after.splitlines())
    words = ("GRANT", "COMMENT", "INDEX", "STATISTICS", "ALTER", "TRIGGER", "CREATE", "WITH")
    assert [line for line in lost if any(word in line for word in words)] == []
    assert (
        rows(
            rich,
            "SELECT severity FROM lifecycle.verify_migrations() WHERE severity <> 'ok'",
        )
        == []
    )
    assert {s.status for s in call(rich, "replace_materialized_view", target="public.m", query=RICHER)} == {"skipped"}
    rich.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY public.m")
    assert {s.status for s in call(rich, "rollback_materialized_view", target="public.m", dry_run=False)} == {"done"}
    assert rich.dump(schema_only=True) == before
    assert rich.value("SELECT sum(amount) FROM public.m") == 5050
    with refused("55000", "no change of public.m stands"):
        call(rich, "rollback_materialized_view", target="public.m")


def test_a_column_with_all_that_is_said_of_it_comes_back(rich):
    rich.execute("DROP VIEW public.w; DROP INDEX public.m_expr")
    before = rich.dump(schema_only=True)
    steps = call(rich, "replace_materialized_view", target="public.m", query=MORE)
    assert "not in the new query" in steps[0].note
    assert "label" in steps[0].note
    call(rich, "rollback_materialized_view", target="public.m", dry_run=False)
    assert rich.dump(schema_only=True) == before


def test_what_does_not_fit_is_said_before(rich):
    before = rich.dump(schema_only=True)
    for query, words in [
        (
            MORE,
            [
                "view public.w reads column label, which the new query has not",
                "index public.m_expr reads column label",
            ],
        ),
        (
            TOTALS.replace("sum(amount)", "sum(amount)::float8"),
            ["numeric now and in the new query double precision"],
        ),
        ("SELECT 1 AS other", ["statistics object public.m_stat reads column amount"]),
    ]:
        with refused("2BP01", "does not fit what stands on public.m", *words):
            call(rich, "replace_materialized_view", target="public.m", query=query)
    with refused("42P17", "reads public.m itself"):
        call(
            rich,
            "replace_materialized_view",
            target="public.m",
            query="SELECT * FROM public.x CROSS JOIN public.m",
        )
    with refused("23505"):
        call(
            rich,
            "replace_materialized_view",
            target="public.m",
            query="SELECT 1 AS shop, amount, 'x' AS label FROM public.sale",
        )
    with refused("42809", "is a table"):
        call(rich, "replace_materialized_view", target="public.sale", query=TOTALS)
    assert rich.dump(schema_only=True) == before


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (
            "CREATE FUNCTION public.f() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM public.v; END",
            "function public.f()",
        ),
        (
            "CREATE TABLE public.t (id int); CREATE POLICY p ON public.t USING (id IN (SELECT shop FROM public.m))",
            "policy p on table public.t",
        ),
        ("CREATE TABLE public.t (old public.m)", "column old of table public.t"),
        (
            "CREATE FUNCTION public.g() RETURNS SETOF public.m LANGUAGE sql AS 'TABLE public.m'",
            "function public.g()",
        ),
        (
            "CREATE TABLE public.t (); CREATE RULE r AS ON DELETE TO public.t DO ALSO SELECT * FROM public.m",
            "table public.t",
        ),
    ],
    ids=["function", "policy", "column", "row type", "rule"],
)
def test_what_cannot_be_made_anew_stops_it(rich, reader, words):
    rich.execute(reader)
    with refused("2BP01", "cannot be made anew", words):
        call(rich, "replace_materialized_view", target="public.m", query=RICHER)


def test_incremental_view_above_stops_it(base):
    base.execute(f"CREATE MATERIALIZED VIEW public.m AS {TOTALS}")
    call(
        base,
        "create_incremental_view",
        view_name="public.i",
        query="SELECT s.id, m.amount FROM public.sale AS s LEFT JOIN public.m AS m ON m.shop = s.id",
        key_columns=["id"],
        sources='{"public.m": null}',
    )
    with refused("2BP01", "public_i_query", "roll back incremental views"):
        call(base, "replace_materialized_view", target="public.m", query=MORE)


def test_owner_and_rights(base, roles):
    alice, bob = roles("alice"), roles("bob")
    base.execute(
        f"SELECT lifecycle.grant_lifecycle_admin('{alice}'), lifecycle.grant_lifecycle_admin('{bob}');"
        f"GRANT ALL ON SCHEMA public TO {alice}, {bob}; ALTER TABLE public.sale OWNER TO {alice};"
        "ALTER TABLE public.sale ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON public.sale USING (shop <> 1)"
    )
    mine = base.connect(alice)
    call(
        mine,
        "create_materialized_view",
        view_name="public.m",
        query=TOTALS,
        unique_key=["shop"],
    )
    with refused("42501", "must be owner of public.m"):
        call(
            base.connect(bob),
            "replace_materialized_view",
            target="public.m",
            query=MORE,
        )
    # A superuser replaces it: it is still computed with the rights of its owner, whose policy hides a shop.
    call(base, "replace_materialized_view", target="public.m", query=MORE)
    assert base.value("SELECT count(*) FROM public.m WHERE shop = 1") == 0
    assert base.value("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE relname = 'm'") == alice
    base.execute(f"GRANT SELECT ON public.m TO {bob}")
    rows(base.connect(bob), "CREATE VIEW public.of_bob AS SELECT shop FROM public.m")
    with refused("42501", "must be owner of public.of_bob"):
        call(mine, "replace_materialized_view", target="public.m", query=TOTALS)


def test_readers_wait_for_the_swap_alone(base, session, observer):
    """A reader that stands in the way is waited for in tries; the new view is built once and is not lost."""
    base.execute(f"CREATE MATERIALIZED VIEW public.m AS {TOTALS}; CREATE VIEW public.v AS TABLE public.m")
    base.execute("SELECT lifecycle.set_setting('lock_attempts', '100')")
    reader: Session = session(base)
    reader.run("BEGIN")
    reader.run("SELECT count(*) FROM public.v")
    worker = session(base)
    worker.start(
        "SELECT count(*) FROM lifecycle.replace_materialized_view('public.m', %s)",
        [MORE],
    )
    assert observer.settle(worker) == "blocked"
    assert base.value("SELECT count(*) FROM public.m") == 7, "the old one can be read meanwhile"
    reader.run("COMMIT")
    worker.result()
    assert base.value("SELECT count(sales) FROM public.m") == 7
    holder = base.connect(autocommit=False)
    rows(holder, "SELECT count(*) FROM public.v")
    base.execute("SELECT lifecycle.set_setting('lock_attempts', '1')")
    with refused("55P03", "swap of materialized view public.m"):
        call(base, "replace_materialized_view", target="public.m", query=TOTALS)
    assert base.value("SELECT to_regclass('public.m_new')") is None


def test_changes_before_it_are_followed(base):
    call(
        base,
        "create_materialized_view",
        view_name="public.m",
        query=TOTALS,
        unique_key=["shop"],
    )
    before = base.dump(schema_only=True)
    call(base, "replace_materialized_view", target="public.m", query=MORE)
    assert (
        rows(
            base,
            "SELECT finding FROM lifecycle.verify_migrations() WHERE severity <> 'ok'",
        )
        == []
    )
    base.execute("ALTER MATERIALIZED VIEW public.m RENAME TO totals")
    call(
        base,
        "replace_materialized_view",
        target="public.totals",
        query=MORE.replace("* 2", "* 3"),
    )
    assert base.value("SELECT sum(amount) FROM public.totals") == 15150
    with refused("2BP01"):
        (first, *_) = rows(base, "SELECT min(migration_id) FROM lifecycle.migration_history")
        rows(base, "SELECT lifecycle.rollback_migration(%s::bigint)", first)
    call(base, "rollback_materialized_view", target="public.totals", dry_run=False)
    assert base.value("SELECT sum(amount) FROM public.totals") == 10100
    call(base, "rollback_materialized_view", target="public.totals", dry_run=False)
    base.execute("ALTER MATERIALIZED VIEW public.totals RENAME TO m")
    assert base.dump(schema_only=True) == before
    call(base, "rollback_materialized_view", target="public.m", dry_run=False)
    assert base.value("SELECT to_regclass('public.m')") is None


def test_unpopulated_stays_so(base):
    base.execute(f"CREATE MATERIALIZED VIEW public.m AS {TOTALS} WITH NO DATA")
    before = base.dump(schema_only=True)
    call(base, "replace_materialized_view", target="public.m", query=MORE)
    assert base.value("SELECT relispopulated FROM pg_class WHERE oid = 'public.m'::regclass") is False
    call(base, "rollback_materialized_view", target="public.m", dry_run=False)
    assert base.dump(schema_only=True) == before


def test_a_change_made_during_the_build_is_not_taken_back(base, session, observer):
    base.execute(
        f"CREATE MATERIALIZED VIEW public.m AS {TOTALS}; CREATE VIEW public.v AS TABLE public.m;"
        "CREATE FUNCTION public.gate(n numeric) RETURNS numeric LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN n; END'"
    )
    base.execute("SELECT lifecycle.set_setting('lock_attempts', '100')")
    gate, worker = session(base), session(base)
    gate.run("BEGIN; SELECT pg_advisory_xact_lock(42)")
    query = "SELECT shop, public.gate(sum(amount)) AS amount FROM public.sale GROUP BY shop"
    worker.start("SELECT lifecycle.replace_materialized_view('public.m', %s)", [query])
    assert observer.settle(worker, [gate]) == "blocked"
    base.execute("GRANT SELECT ON public.v TO PUBLIC")
    gate.run("COMMIT")
    with refused("55000", "has changed while its replacement was built"):
        worker.result()
    assert base.value("SELECT has_table_privilege('pg_monitor', 'public.v', 'SELECT')")
    call(base, "replace_materialized_view", target="public.m", query=query)
    assert base.value("SELECT has_table_privilege('pg_monitor', 'public.v', 'SELECT')")


def test_a_planted_query_is_not_looked_at(base, roles):
    """To preview a rollback must not run what another role has stored."""
    eve = roles("eve")
    base.execute(f"SELECT lifecycle.grant_lifecycle_admin('{eve}'); GRANT ALL ON SCHEMA public TO {eve}")
    hers = base.connect(eve)
    call(hers, "create_materialized_view", view_name="public.m", query="SELECT 1 AS one", unique_key=None)
    planted = '{"old_query": "SELECT 1 AS one; SELECT 1/0", "old_columns": ""}'
    rows(
        hers,
        "WITH m AS (INSERT INTO lifecycle.migration (feature, target, target_oid, parameters, search_path, plan_hash, "
        "state) VALUES ('materialized_view', 'public.m', 'public.m'::regclass, %s, 'public', '', 'pending') "
        "RETURNING migration_id) SELECT migration_id FROM m",
        [planted],
    )
    (migration,) = base.execute("SELECT max(migration_id) FROM lifecycle.migration")[0]
    hers.execute(
        "INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement, inverse, "
        "top_level) VALUES (%s, 1, 1, 'swap', 'materialized view public.m', 'SELECT 1', 'SELECT 1', false)",
        [migration],
    )
    hers.execute("SELECT lifecycle._settle(%s, 1, false)", [migration])
    with refused("22012"):
        call(hers, "rollback_materialized_view", target="public.m")
    assert [s.status for s in call(base, "rollback_materialized_view", target="public.m")] == ["planned"]
    with refused("42501", eve):
        call(base, "rollback_materialized_view", target="public.m", dry_run=False)
