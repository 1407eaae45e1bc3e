"""Generated names, and names replaced in stored statements: properties that hold for whatever names people choose."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.calls import rows

LETTERS = st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))
NAME = st.text(LETTERS, min_size=1, max_size=63).filter(lambda s: 0 < len(s.encode()) <= 63)
HOSTILE = st.one_of(
    NAME,
    st.sampled_from(
        [
            "'",
            '"',
            "$$",
            "$fn$",
            "\\",
            "; DROP TABLE x --",
            "/*",
            "*/",
            "\x01",
            "\x02",
            "\x011\x02",
            "a.b",
            "select",
            " ",
            "ü" * 31,
        ]
    ),
)
QUICK = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def connection(database):
    return database.connect()


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@QUICK
@given(
    parts=st.lists(st.text(LETTERS, max_size=63), min_size=1, max_size=4),
    suffix=st.text(st.sampled_from("abc_é"), max_size=20),
)
def test_generated_names_fit_and_keep_their_suffix(connection, parts, suffix):
    ((name,),) = rows(connection, "SELECT lifecycle._name(%s, %s)::text", [parts, suffix])
    assert len(name.encode()) <= 63
    assert rows(connection, "SELECT %s::name::text", [name]) == [(name,)]
    if suffix:
        assert name.endswith("_" + suffix)
    whole = "_".join(parts) + ("_" + suffix if suffix else "")
    if len(whole.encode()) <= 63:
        assert name == whole
    else:
        assert re.search(r"_[0-9a-f]{8}" + re.escape("_" + suffix if suffix else "") + r"\Z", name)


@QUICK
@given(
    start=st.text(LETTERS, min_size=50, max_size=60),
    one=st.text(LETTERS, max_size=60),
    two=st.text(LETTERS, max_size=60),
)
def test_names_that_were_cut_stay_distinct(connection, start, one, two):
    def name(end):
        return rows(connection, "SELECT lifecycle._name(ARRAY[%s, %s], 'trigger')::text", [start, end])[0][0]

    assert (name(one) == name(two)) == (one == two)


@QUICK
@given(schema=HOSTILE, table=HOSTILE, other=HOSTILE, text=st.text(LETTERS, max_size=40))
def test_a_renamed_table_is_the_only_thing_replaced(connection, schema, table, other, text):
    """The parser is the judge: the statement with the new name is the statement written with it."""
    old = rows(connection, "SELECT quote_ident(%s) || '.' || quote_ident(%s)", [schema, table])[0][0]
    new = rows(connection, "SELECT quote_ident(%s) || '.' || quote_ident(%s)", [schema, other])[0][0]
    literal = rows(connection, "SELECT quote_literal(%s)", [text])[0][0]
    # What stands between the names.
    parts = [
        "ALTER TABLE ",
        " DROP COLUMN x; COMMENT ON TABLE ",
        f" IS {literal}; SELECT E'\\'' || 'it''s' FROM ",
        " AS t WHERE t.x = 1 AND ",
        ".y = $1; DO $do$BEGIN PERFORM 1 FROM ",
        "; END$do$ -- the end",
    ]
    statement, wanted = old.join(parts), new.join(parts)
    renames = rows(connection, "SELECT jsonb_build_object(%s::text, %s::text)", [old, new])[0][0]
    ((result,),) = rows(
        connection, "SELECT lifecycle._rename_in(%s, jsonb_build_object(%s::text, %s::text))", [statement, old, new]
    )
    if "$do$" in new:
        wanted = new.join(parts[:-1]) + old + parts[-1]
    assert result == wanted, renames


@QUICK
@given(text=st.text(LETTERS, max_size=80), new=HOSTILE)
def test_what_names_nothing_is_left_alone(connection, text, new):
    ((result,),) = rows(
        connection,
        "SELECT lifecycle._rename_in(%s, jsonb_build_object('public.t', 'public.' || quote_ident(%s)))",
        [text, new],
    )
    if not re.search(r"public", text, re.I):
        assert result == text


CASES = [
    # statement, old, new, result
    ("DROP TABLE public.t", "public.t", "public.u", "DROP TABLE public.u"),
    ("DROP TABLE PUBLIC.T", "public.t", "public.u", "DROP TABLE public.u"),
    ('DROP TABLE "public"."t"', "public.t", "public.u", "DROP TABLE public.u"),
    ('DROP TABLE public."T"', "public.t", "public.u", 'DROP TABLE public."T"'),
    (
        "DROP TABLE public.t1, public.t$, xpublic.t",
        "public.t",
        "public.u",
        "DROP TABLE public.t1, public.t$, xpublic.t",
    ),
    ("SELECT public.t.a FROM public.t", "public.t", "public.u", "SELECT public.u.a FROM public.u"),
    ("ALTER TABLE public.t DROP COLUMN t", "t", "c", "ALTER TABLE public.t DROP COLUMN c"),
    ("COMMENT ON COLUMN public.t.t IS 't'", "t", "c", "COMMENT ON COLUMN public.t.c IS 'c'"),
    (
        "DROP FUNCTION public.f(bigint), public.f(integer)",
        "public.f(bigint)",
        'public."g h"(bigint)',
        'DROP FUNCTION public."g h"(bigint), public.f(integer)',
    ),
    (
        "SELECT 'public.t'::regclass, 'a public.t'",
        "public.t",
        'public."it\'s"',
        "SELECT 'public.\"it''s\"'::regclass, 'a public.t'",
    ),
    (
        "SELECT E'public.t\\'', U&'public.t' FROM public.t",
        "public.t",
        "public.u",
        "SELECT E'public.t\\'', U&'public.t' FROM public.u",
    ),
    (
        "/* public.t */ SELECT 1 FROM public.t -- public.t",
        "public.t",
        "public.u",
        "/* public.t */ SELECT 1 FROM public.u -- public.t",
    ),
    ("/* /* */ public.t */ DROP TABLE public.t", "public.t", "public.u", "/* /* */ public.t */ DROP TABLE public.t"),
    (
        "DO $a$ $b$ public.t $b$ public.t $a$; public.t",
        "public.t",
        "public.u",
        "DO $a$ $b$ public.u $b$ public.u $a$; public.u",
    ),
    ("DO $$public.t$$", "public.t", 'public."$$"', "DO $$public.t$$"),
    ("DO $a$public.t$a$; public.t", "public.t", 'public."x$a"', 'DO $a$public."x$a"$a$; public."x$a"'),
    ("SELECT $1, a$b$c FROM public.t", "public.t", "public.u", "SELECT $1, a$b$c FROM public.u"),
    ("SELECT 'unfinished public.t", "public.t", "public.u", "SELECT 'unfinished public.t"),
    (
        "SELECT é.public.t, public.té FROM public.t",
        "public.t",
        "public.u",
        "SELECT é.public.t, public.té FROM public.u",
    ),
    ("\x011\x02 public.t", "public.t", "public.u", "\x011\x02 public.u"),
]


def test_replacing(connection):
    query = "SELECT lifecycle._rename_in(%s, jsonb_build_object(%s::text, %s::text))"
    for statement, old, new, result in CASES:
        assert rows(connection, query, [statement, old, new]) == [(result,)]


def test_two_names_swapped(connection):
    query = "SELECT lifecycle._rename_in('a, b, public.a, public.b, \"a\"', %s::jsonb)"
    assert rows(connection, query, ['{"public.a": "public.b", "public.b": "public.a"}']) == [
        ('a, b, public.b, public.a, "a"',)
    ]
    assert rows(connection, query, ['{"a": "b", "b": "a"}']) == [("b, a, public.a, public.b, b",)]
