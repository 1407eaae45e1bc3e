"""What no trigger tells an incremental view: definitions that change under it, triggers that were off for a while."""

from __future__ import annotations

import json

import pytest

from harness.calls import call, refused, rows
from harness.skips import needs

BASE = """
CREATE TABLE public.sale (id int PRIMARY KEY, shop int, amount numeric NOT NULL);
CREATE TABLE public.offer (id int PRIMARY KEY, shop int, amount numeric NOT NULL);
CREATE INDEX ON public.sale (shop); CREATE INDEX ON public.offer (shop);
INSERT INTO public.sale SELECT g, g % 5, g FROM generate_series(1, 50) AS g;
INSERT INTO public.offer SELECT g, g % 5, 2 * g FROM generate_series(1, 20) AS g;
CREATE FUNCTION public.taxed(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE VIEW public.large AS SELECT shop, amount FROM public.sale WHERE amount > 10;
"""
TOTALS = "SELECT shop, sum(amount) AS amount FROM public.sale GROUP BY shop"
LARGE = "SELECT shop, sum(amount) AS amount FROM public.large GROUP BY shop"
TAXED = "SELECT shop, sum(public.taxed(amount)) AS amount FROM public.sale GROUP BY shop"


@pytest.fixture
def base(database):
    """Sales, and a view and a function between them and the incremental view."""
    database.execute(BASE)
    return database


def create(database, query, key="{shop}", **more):
    """Makes an incremental view, fills it, and takes the short way once."""
    call(
        database,
        "create_incremental_view",
        view_name="public.v",
        query=query,
        key_columns=key,
        **more,
    )
    database.execute("CALL lifecycle.run_pending()")
    assert refresh(database)[1] == "unchanged"


def refresh(database):
    """One refresh: mode, status, note."""
    ((mode, status, note),) = rows(
        database,
        "SELECT mode, status, note FROM lifecycle.refresh_incremental_view('public.v')",
    )
    return mode, status, note


def difference(database, query):
    """How many rows of the view are not those of the query."""
    mine, theirs = (f"SELECT x::text FROM {place} AS x" for place in ("public.v", f"({query})"))
    return database.value(
        f"SELECT count(*) FROM (({mine} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {mine})) AS d"
    )


@pytest.mark.parametrize("again", ["ENABLE TRIGGER ALL", "ENABLE ALWAYS"], ids=["all", "one by one"])
def test_triggers_that_were_off_for_a_while(base, again):
    create(base, TOTALS)
    base.execute("ALTER TABLE public.sale DISABLE TRIGGER ALL; UPDATE public.sale SET amount = amount + 1")
    if again == "ENABLE ALWAYS":
        for (name,) in rows(
            base,
            "SELECT tgname FROM pg_trigger WHERE tgrelid = 'public.sale'::regclass",
        ):
            base.execute(f'ALTER TABLE public.sale ENABLE ALWAYS TRIGGER "{name}"')
    else:
        base.execute(f"ALTER TABLE public.sale {again}")
    assert rows(base, "SELECT changes_since, change_note FROM lifecycle.mv_refresh_status") == [
        (None, "what it rests on has changed")
    ], "a policy or only_changed must not pass it over"
    mode, _, note = refresh(base)
    assert mode == "rebuild"
    assert "triggers of public.sale were changed since the last refresh" in note
    assert difference(base, TOTALS) == 0
    assert ("was mended" in note) == (again == "ENABLE TRIGGER ALL"), "they are ENABLE ALWAYS again"
    refresh(base)
    base.execute("SET session_replication_role = replica; UPDATE public.sale SET amount = 3 WHERE id = 1")
    assert refresh(base)[0] == "incremental"
    assert difference(base, TOTALS) == 0


@pytest.mark.parametrize(
    ("query", "change"),
    [
        (
            LARGE,
            "CREATE OR REPLACE VIEW public.large AS SELECT shop, amount FROM public.sale WHERE amount > 20",
        ),
        (
            TAXED,
            (
                "CREATE OR REPLACE FUNCTION public.taxed(numeric) RETURNS numeric LANGUAGE sql IMMUTABLE "
                "AS 'SELECT $1 * 3'"
            ),
        ),
    ],
    ids=["view", "function"],
)
def test_another_definition_is_a_rebuild(base, query, change):
    create(base, query)
    base.execute(change)
    assert rows(base, "SELECT change_note FROM lifecycle.mv_refresh_status") == [("what it rests on has changed",)]
    mode, _, note = refresh(base)
    assert (mode, difference(base, query)) == ("rebuild", 0)
    assert "was changed" in note
    assert "until it is rolled back" not in note, "the ways from rows to keys are the same"
    base.execute("UPDATE public.sale SET amount = amount + 7 WHERE shop = 1")
    assert (refresh(base)[0], difference(base, query)) == ("incremental", 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "SELECT shop, amount FROM public.offer",
            "it reads public.offer, which is not watched",
        ),
        (
            "SELECT shop + 1 AS shop, amount FROM public.sale",
            "does not say which keys a change of public.sale",
        ),
        (
            "SELECT id AS shop, amount FROM public.sale",
            "the way from public.sale to its keys is another one",
        ),
        (
            "SELECT shop, random()::numeric AS amount FROM public.sale",
            "do not follow from its tables alone",
        ),
    ],
)
def test_a_definition_with_other_ways_is_a_rebuild_each_time(base, change, words):
    create(base, LARGE)
    before = base.value("SELECT pg_get_viewdef('public.large'::regclass)")
    base.execute(f"CREATE OR REPLACE VIEW public.large AS {change}")
    for write in [
        "SELECT 1",
        "UPDATE public.offer SET amount = 9",
        "UPDATE public.sale SET shop = shop + 1",
    ]:
        base.execute(write)
        mode, _, note = refresh(base)
        assert mode == "rebuild"
        assert words in note
        assert "each refresh is a rebuild until it is rolled back and created anew" in note
        if "random" not in change:
            assert difference(base, LARGE) == 0
    base.execute(f"CREATE OR REPLACE VIEW public.large AS {before}")
    refresh(base)
    base.execute("UPDATE public.sale SET amount = 11 WHERE id = 12")
    refresh(base)
    assert difference(base, LARGE) == 0


def test_row_security_that_is_forced_later(base, roles):
    owner = roles("owner")
    base.execute(
        f"SELECT lifecycle.grant_lifecycle_admin('{owner}'); GRANT ALL ON SCHEMA public TO {owner}; "
        f"ALTER TABLE public.sale OWNER TO {owner}"
    )
    mine = base.connect(owner)
    create(mine, TOTALS)
    base.execute("ALTER TABLE public.sale ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    mode, _, note = refresh(mine)
    assert mode == "rebuild"
    assert "row security that it rests on was changed" in note
    assert base.value("SELECT count(*) FROM public.v") == 0, "without a policy its owner sees nothing"
    base.execute("CREATE POLICY p ON public.sale USING (shop < 3)")
    assert refresh(mine)[0] == "rebuild"
    assert base.value("SELECT count(*) FROM public.v") == 3
    base.execute("UPDATE public.sale SET amount = 3 WHERE shop < 4")
    assert refresh(mine)[0] == "incremental"
    base.execute("ALTER POLICY p ON public.sale USING (shop < (SELECT max(o.shop) FROM public.offer AS o))")
    base.execute(f"GRANT SELECT ON public.offer TO {owner}")
    assert "rebuild until" in refresh(mine)[2]


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        (
            "EXISTS (SELECT FROM public.offer AS o WHERE o.shop = sale.shop)",
            "row security of public.sale reads other",
        ),
        ("shop = current_setting('app.shop')::int", "depends on who asks"),
    ],
)
def test_row_security_that_rests_on_more_is_refused(base, roles, predicate, words):
    owner = roles("owner")
    base.execute(
        f"SELECT lifecycle.grant_lifecycle_admin('{owner}'); GRANT ALL ON SCHEMA public TO {owner}; "
        f"ALTER TABLE public.sale OWNER TO {owner}; GRANT SELECT ON public.offer TO {owner};"
        f"ALTER TABLE public.sale ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; "
        f"CREATE POLICY p ON public.sale USING ({predicate})"
    )
    with refused("0A000", words):
        call(
            base.connect(owner),
            "create_incremental_view",
            view_name="public.v",
            query=TOTALS,
            key_columns=["shop"],
        )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "CREATE TABLE public.more () INHERITS (public.sale); INSERT INTO public.more VALUES (99, 1, 1)",
            "inherits",
        ),
        ("ALTER TABLE public.sale SET UNLOGGED", "is unlogged now"),
    ],
)
def test_a_table_that_could_not_be_watched_now(base, change, words):
    create(base, TOTALS)
    base.execute(change)
    for write in ["SELECT 1", "UPDATE public.sale SET amount = amount + 1"]:
        base.execute(write)
        mode, _, note = refresh(base)
        assert mode == "rebuild"
        assert words in note
        assert "was mended" not in note
        assert difference(base, TOTALS) == 0
    assert words in rows(base, "SELECT problem FROM lifecycle.capture_status()")[0][0]


@pytest.mark.parametrize(
    ("query", "key", "words"),
    [
        (
            "SELECT id, amount FROM public.sale TABLESAMPLE bernoulli (50)",
            ["id"],
            "TABLESAMPLE takes rows by chance",
        ),
        (
            "SELECT s.id FROM public.sale AS s WHERE s.id::text = 'x' COLLATE public.any_case",
            ["id"],
            "any_case makes",
        ),
        (
            "SELECT ROW(shop, 1)::public.pair AS p, id FROM public.sale",
            ["p"],
            "of type pair cannot be a key",
        ),
    ],
)
def test_refused_because_nobody_could_follow(base, query, key, words):
    if "any_case" in query:
        if not base.value("SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')"):
            needs("ICU")
        base.execute(
            "CREATE COLLATION public.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    base.execute("CREATE TYPE public.pair AS (one int, other int)")
    with refused("0A000", words):
        call(
            base,
            "create_incremental_view",
            view_name="public.v",
            query=query,
            key_columns=key,
        )


def test_a_join_of_texts_of_other_types(base):
    base.execute(
        "CREATE TABLE public.note (code varchar PRIMARY KEY, word text); CREATE INDEX ON public.note ((code::text));"
        "INSERT INTO public.note SELECT g, 'w' || g FROM generate_series(1, 60) AS g"
    )
    query = "SELECT s.id, n.word FROM public.sale AS s JOIN public.note AS n ON n.code = s.id::text"
    create(base, query, "{id}")
    base.execute("UPDATE public.note SET word = word || '!' WHERE code < '3'; DELETE FROM public.note WHERE code = '7'")
    assert (refresh(base)[0], difference(base, query)) == ("incremental", 0)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT c.shop, 1 FROM changed AS c",
        "SELECT nothing FROM changed",
        "SELECT '{}'::json",
    ],
)
def test_a_way_that_leads_nowhere(base, query):
    with refused("22023", "the query of source public.sale leads from changed (shop) to no key"):
        call(
            base, "create_incremental_view", view_name="public.v", query=TOTALS, key_columns=["shop"],
            sources=json.dumps({"public.sale": {"columns": ["shop"], "query": query}}),
        )  # fmt: skip
