"""Few keys of one table: a generated function does it, as long as nothing has changed that it rests on."""

from __future__ import annotations

import pytest
from psycopg import sql

from harness.calls import call, refused, rows

ROUTINE = "lifecycle_data.public_v_refresh"
BASE = """
CREATE TABLE public.sale (id int PRIMARY KEY, shop int, at date, amount numeric);
CREATE INDEX ON public.sale (shop, at);
INSERT INTO public.sale SELECT g, g % 9, date '2026-01-01' + g % 4, g FROM generate_series(1, 200) AS g;
"""
TOTALS = "SELECT shop, count(*) AS sales, sum(amount) AS amount FROM public.sale GROUP BY shop"
DAILY = "SELECT at, shop, sum(amount) AS amount FROM public.sale GROUP BY shop, at"


@pytest.fixture
def base(database):
    """Sales of shops."""
    database.execute(BASE)
    return database


def create(database, query=TOTALS, key=("shop",), **more):
    """Makes an incremental view and fills it."""
    call(database, "create_incremental_view", view_name="public.v", query=query, key_columns=[*key], at_once=True,
         **more)  # fmt: skip


def refresh(database, name="public.v", routine=ROUTINE):
    """One refresh: mode, status, and whether the generated function was called; then the view equals its query."""
    with database.connect() as connection:
        connection.autocommit = False
        connection.execute("SET LOCAL track_functions = 'all'")
        ((mode, status),) = connection.execute(
            "SELECT mode, status FROM lifecycle.refresh_incremental_view(%s)", [name]
        ).fetchall()
        ((calls,),) = connection.execute(
            "SELECT sum(pg_stat_get_xact_function_calls(p.oid)) FROM pg_proc AS p WHERE p.oid::regproc::text = %s",
            [routine],
        ).fetchall()
    return mode, status, bool(calls)


def difference(database, query=TOTALS, name="public.v"):
    """How many rows of the view are not those of the query."""
    mine, theirs = (
        f"SELECT x::text FROM {name} AS x",
        f"SELECT x::text FROM ({query}) AS x",
    )
    return database.value(
        f"SELECT count(*) FROM (({mine} EXCEPT ALL {theirs}) UNION ALL ({theirs} EXCEPT ALL {mine})) AS d"
    )


@pytest.mark.parametrize(("query", "key"), [(TOTALS, ["shop"]), (DAILY, ["shop", "at"])], ids=["one", "two"])
def test_what_it_does_and_what_it_leaves_to_others(base, query, key):
    create(base, query, key)
    for write, outcome in [
        (
            "UPDATE public.sale SET amount = 1 WHERE id < 20",
            ("incremental", "refreshed", True),
        ),
        ("SELECT 1", ("incremental", "unchanged", True)),
        ("DELETE FROM public.sale WHERE shop = 3", ("incremental", "refreshed", True)),
        (
            "INSERT INTO public.sale VALUES (900, 77, '2026-03-01', 1)",
            ("incremental", "refreshed", True),
        ),
        (
            "INSERT INTO public.sale VALUES (901, NULL, NULL, 1)",
            ("incremental", "refreshed", True),
        ),
        ("TRUNCATE public.sale; INSERT INTO public.sale VALUES (1, 1, NULL, 2)", ("rebuild", "refreshed", False)),
        (
            "INSERT INTO lifecycle_data.sale_public_v_1_queue (all_rows) VALUES (true), (NULL)",
            ("rebuild", "refreshed", True),
        ),
        ("SELECT 1", ("incremental", "unchanged", True)),
    ]:
        base.execute(write)
        assert (write, *refresh(base)) == (write, *outcome)
        assert difference(base, query) == 0


def test_many_keys_are_handed_back(base):
    create(base)
    base.execute("INSERT INTO public.sale SELECT g, g, '2026-01-01', 1 FROM generate_series(1000, 2999) AS g")
    base.execute("SET lifecycle.incremental_share = '100'")
    assert rows(base, "SELECT mode, note FROM lifecycle.refresh_incremental_view('public.v')") == [
        ("incremental", "keys 2000, rows inserted 2000, updated 0, deleted 0")
    ]
    assert difference(base) == 0
    base.execute("UPDATE public.sale SET amount = id WHERE id >= 1000 AND id % 2 = 0")
    assert rows(
        base,
        "SELECT mode, note FROM lifecycle.refresh_incremental_view('public.v', 300)",
    ) == [("incremental", "keys 1000, rows inserted 0, updated 1000, deleted 0")]
    assert difference(base) == 0


CHANGES = {
    "trigger": (
        "ALTER TABLE public.sale DISABLE TRIGGER capture_public_v_1_update",
        "ALTER TABLE public.sale ENABLE TRIGGER capture_public_v_1_update",
    ),
    "function": ("ALTER FUNCTION lifecycle_data.public_v_refresh COST 7", "SELECT 1"),
    "view": ("ALTER TABLE public.v ALTER COLUMN sales SET STATISTICS 7", "SELECT 1"),
    "grant": ("GRANT SELECT ON public.v TO PUBLIC", "SELECT 1"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_calls_for_a_second_look(base, name):
    """And when that finds nothing wrong any more, the short way is taken again."""
    create(base)
    there, back = CHANGES[name]
    base.execute(there)
    assert refresh(base)[2] is False
    base.execute(back)
    refresh(base)
    refresh(base)
    base.execute("UPDATE public.sale SET amount = 5 WHERE id = 5")
    assert refresh(base) == ("incremental", "refreshed", True)
    assert difference(base) == 0


def test_versions_of_one_transaction_are_told_apart(base):
    """By xmin alone the trigger would look the same the second time as the first."""
    create(base)
    fingerprint = "SELECT fingerprint FROM lifecycle.incremental_view"
    with base.connect() as connection:
        connection.autocommit = False
        connection.execute("ALTER TABLE public.sale DISABLE TRIGGER capture_public_v_1_update")
        connection.execute("ALTER TABLE public.sale ENABLE ALWAYS TRIGGER capture_public_v_1_update")
        connection.execute("SELECT lifecycle.refresh_incremental_view('public.v')")
        ((before,),) = connection.execute(fingerprint).fetchall()
        assert before is not None
        connection.execute("ALTER TABLE public.sale DISABLE TRIGGER capture_public_v_1_update")
        connection.execute("UPDATE public.sale SET amount = 1000 WHERE id = 4")
        ((mode, note),) = connection.execute(
            "SELECT mode, note FROM lifecycle.refresh_incremental_view('public.v')"
        ).fetchall()
        assert mode == "rebuild", note
    assert difference(base) == 0


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ("ALTER TABLE public.v RENAME TO w", "public.w"),
        ("CREATE SCHEMA other; ALTER TABLE public.v SET SCHEMA other", "other.v"),
        ("ALTER TABLE public.sale RENAME TO sold", "public.v"),
        ("DROP FUNCTION lifecycle_data.public_v_refresh", "public.v"),
        (
            (
                "CREATE OR REPLACE FUNCTION lifecycle_data.public_v_refresh(max_rows int, OUT entries bigint, "
                "OUT all_rows bool, OUT keys text[], OUT key_count bigint, OUT counts bigint[]) LANGUAGE plpgsql "
                "AS 'BEGIN END'"
            ),
            "public.v",
        ),
        ("ALTER FUNCTION lifecycle_data.public_v_refresh RESET timezone", "public.v"),
        ("ALTER FUNCTION lifecycle_data.public_v_refresh SET datestyle = 'sql'", "public.v"),
        ("ALTER FUNCTION lifecycle_data.public_v_refresh STABLE", "public.v"),
        (
            "CREATE ROLE other_owner; ALTER FUNCTION lifecycle_data.public_v_refresh OWNER TO other_owner",
            "public.v",
        ),
    ],
    ids=["renamed", "moved", "source renamed", "dropped", "replaced", "reset", "set", "stable", "given away"],
)
def test_what_is_not_what_was_made_is_not_called(base, change, name):
    create(base)
    base.execute(change)
    source = "public.sold" if "sold" in change else "public.sale"
    for number in range(2):
        base.execute(f"UPDATE {source} SET amount = amount + 1 WHERE id = {number + 1}")
        # The source is not named in it: its name may change.
        assert refresh(base, name) == (
            "incremental",
            "refreshed",
            "sold" in change and number > 0,
        )
        assert difference(base, TOTALS.replace("public.sale", source), name) == 0
    if "owner" in change:
        base.execute("ALTER FUNCTION lifecycle_data.public_v_refresh OWNER TO CURRENT_USER; DROP ROLE other_owner")


@pytest.mark.parametrize(
    "change",
    ["ALTER TYPE public.mood RENAME TO feeling", "CREATE SCHEMA away; ALTER TYPE public.mood SET SCHEMA away"],
    ids=["renamed", "moved"],
)
def test_the_type_of_a_key_changes_its_name(database, change):
    """The function says it by the old name, which a new session would look for in vain."""
    database.execute(
        "CREATE TYPE public.mood AS ENUM ('good', 'bad');"
        "CREATE TABLE public.t (id int PRIMARY KEY, k public.mood, n int); CREATE INDEX ON public.t (k)"
    )
    query = "SELECT k, sum(n) AS n FROM public.t GROUP BY k"
    create(database, query, ["k"])
    for number, statement in enumerate(("SELECT 1", change, "SELECT 1")):
        database.execute(statement)
        database.execute("INSERT INTO public.t VALUES (%s, 'good', 1)", [number])
        assert refresh(database) == ("incremental", "refreshed", number == 0)
        assert difference(database, query) == 0


def test_two_rows_of_a_key_are_refused_and_nothing_is_taken(base):
    create(base, "SELECT shop, amount FROM public.sale WHERE id < 9", ["shop"])
    base.execute("INSERT INTO public.sale VALUES (-1, 4, NULL, 3)")
    with refused("21000", "several rows for one key (shop)", "Keys with several rows: 1."):
        refresh(base)
    assert base.value("SELECT entries FROM lifecycle.capture_status()") == 1


def test_hostile_names_and_types(database):
    """Columns called as what the function itself uses, and types that have to be written out."""
    database.execute(
        "CREATE TYPE public.\"Mood\" AS ENUM ('good', 'b\"ad');"
        'CREATE TABLE public.t (id int PRIMARY KEY, k1 public."Mood", "keys" timestamptz, entries float8, counts text, '
        "lifecycle_refresh int); CREATE INDEX ON public.t (k1)"
    )
    query = 'SELECT k1, "keys", entries, counts, sum(lifecycle_refresh) AS all_rows FROM public.t GROUP BY 1, 2, 3, 4'
    database.execute(
        "SET datestyle = 'german'; SET extra_float_digits = -3;"
        "CREATE FUNCTION public.seen(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN here($1); END';"
        "CREATE FUNCTION public.here(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1'"
    )
    query = query.replace(" counts,", " public.seen(counts) AS counts,")
    create(database, query, ["k1", "keys", "entries"],
           sources='{"public.t": ["k1", "keys", "entries"]}')  # fmt: skip
    for write in (
        "INSERT INTO public.t VALUES (1, 'b\"ad', '2026-02-03 04:05:06.789012', 0.1::float8 + 0.2, E'a\\\\''b', 1)",
        "INSERT INTO public.t VALUES (2, 'good', 'infinity', 'NaN', NULL, 1)",
        "UPDATE public.t SET lifecycle_refresh = 4",
    ):
        database.execute(write)
        assert refresh(database)[::2] == ("incremental", True)
        assert difference(database, query) == 0
    database.execute("INSERT INTO public.t VALUES (3, 'good', NULL, 1.0000000000000002, 'x', 1)")
    assert refresh(database)[0] == "incremental"
    assert difference(database, query) == 0


@pytest.mark.parametrize("nasty", ['Or "der', "it's $1; %s", "select", "\u00e4" * 31])
def test_nasty_names(database, nasty):
    name = sql.Identifier(nasty)
    table, view = (
        sql.SQL("public.{}").format(name),
        sql.SQL("public.{}").format(sql.Identifier("v" + nasty[:40])),
    )
    spelled = database.value("SELECT format('public.%%I', %s::text)", ["v" + nasty[:40]])
    database.execute(
        sql.SQL("CREATE TABLE {} ({} int, n int); CREATE INDEX ON {} ({})").format(table, name, table, name)
    )
    query = database.value(
        "SELECT format('SELECT %%1$I, sum(n) AS n FROM public.%%1$I GROUP BY %%1$I', %s::text)",
        [nasty],
    )
    database.execute(
        "SELECT lifecycle.create_incremental_view(%s, %s, %s, at_once => true)",
        [spelled, query, [nasty]],
    )
    database.execute(sql.SQL("INSERT INTO {} VALUES (1, 2), (3, 4)").format(table))
    routine = database.value("SELECT routine FROM lifecycle.incremental_view")
    assert refresh(database, spelled, routine) == ("incremental", "refreshed", True)
    assert database.value(sql.SQL("SELECT count(*) FROM {}").format(view)) == 2
