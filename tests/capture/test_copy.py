"""Copying in blocks and replaying captured keys: what conversion, split and merge stand on."""

from __future__ import annotations

from harness.calls import call, refused, rows

SCENE = """
CREATE TABLE public.src (a int, b text, val int, twice int GENERATED ALWAYS AS (val * 2) STORED, PRIMARY KEY (a, b));
INSERT INTO public.src SELECT n / 10, 'b' || n % 10, n FROM generate_series(1, 1000) AS n;
CREATE TABLE public.dst (val int, a int, b text, twice int GENERATED ALWAYS AS (val * 2) STORED)
    PARTITION BY LIST (val);
CREATE TABLE public.dst_odd PARTITION OF public.dst DEFAULT;
"""
KEY = "ALTER TABLE public.dst ADD PRIMARY KEY (a, b, val)"
SAME = """
SELECT count(*) FROM ((SELECT a, b, val, twice FROM public.src EXCEPT ALL SELECT a, b, val, twice FROM public.dst)
    UNION ALL (SELECT a, b, val, twice FROM public.dst EXCEPT ALL SELECT a, b, val, twice FROM public.src)) AS d
"""
CHANGE = """
DELETE FROM public.src WHERE a = 3;
UPDATE public.src SET val = val + 10000 WHERE a IN (4, 90);
UPDATE public.src SET b = 'new' || b WHERE a IN (5, 92);
DELETE FROM public.src WHERE (a, b) = (6, 'b1');
INSERT INTO public.src VALUES (1000, 'x', 1), (6, 'b1', -1);
"""


def capture(database):
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="reader",
        key_columns=["a", "b", "val"],
    )


def copy_blocks(place, first, last, predicate="true", skip="false"):
    return rows(
        place,
        "SELECT lifecycle._copy_blocks('public.src', 'public.dst', %s, %s, 'public', %s, %s)",
        [first, last, predicate, skip],
    )[0][0]


def replay(place):
    return rows(
        place,
        "SELECT r.* FROM lifecycle._replay('lifecycle_data.src_reader_queue', 'public.src', 'public.dst', '{a,b}', "
        "'{a,b,val}', '{a,b,val}', 1000, 'public') AS r",
    )[0]


def forget(place, key="{a,b}"):
    return rows(
        place,
        "SELECT lifecycle._forget_keys('lifecycle_data.src_reader_queue', 'public.dst', %s, 'public')",
        [key],
    )[0][0]


def test_copy_in_blocks_and_replay(database):
    """Rows that change on the way come twice, or in their old state: gone, before the key is made."""
    database.execute(SCENE)
    capture(database)
    blocks = database.value("SELECT pg_relation_size('public.src') / current_setting('block_size')::int")
    assert blocks > 3
    copy_blocks(database, 0, 2)
    database.execute(CHANGE)
    for first in range(2, blocks + 2):
        copy_blocks(database, first, first + 1)
    assert database.value("SELECT count(*) - count(DISTINCT (a, b)) FROM public.dst") > 0
    assert database.value(SAME) > 0
    assert forget(database) > 40
    database.execute(KEY)
    assert (
        database.value("SELECT count(*) FROM (TABLE public.dst EXCEPT SELECT val, a, b, twice FROM public.src) x") == 0
    )
    assert replay(database)[1:] == (False, None)
    assert database.value(SAME) == 0
    assert replay(database)[0] == 0
    database.execute("TRUNCATE public.src")
    assert replay(database)[1]


def test_rows_that_stand_already_are_skipped(database):
    database.execute(SCENE + KEY)
    assert copy_blocks(database, None, None, "t.a < 10") == 99
    assert copy_blocks(database, 0, 1000, skip="true") == 901
    assert database.value(SAME) == 0


def test_changes_of_keys_of_any_type(database):
    """Equality is that of the key's own index, found without a search_path."""
    database.execute(
        "CREATE TYPE public.pair AS (x int, y text);"
        "CREATE TABLE public.src (k public.pair PRIMARY KEY, v int); CREATE TABLE public.dst (LIKE public.src);"
        "INSERT INTO public.src SELECT ROW(i, 'y')::public.pair, i FROM generate_series(1, 10) AS i"
    )
    call(database, "start_capture", target="public.src", consumer="reader")
    copy_blocks(database, 0, 10)
    database.execute("UPDATE public.src SET v = 0 WHERE (k).x < 4; DELETE FROM public.src WHERE (k).x = 1")
    assert forget(database, "{k}") == 3
    assert database.value("SELECT count(*) FROM public.dst") == 7
    rows(
        database,
        "SELECT lifecycle._replay('lifecycle_data.src_reader_queue', 'public.src', 'public.dst', '{k}', '{k}', NULL, "
        "1000, '')",
    )
    assert database.value("SELECT count(*) FROM (TABLE public.dst INTERSECT TABLE public.src) AS s") == 9


def test_rows_that_a_policy_hides_are_not_left_out(database, roles):
    owner = roles("owner")
    database.execute(SCENE)
    database.execute(
        f"GRANT USAGE ON SCHEMA lifecycle TO {owner}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lifecycle TO {owner};"
        f"ALTER TABLE public.src OWNER TO {owner}; ALTER TABLE public.dst OWNER TO {owner};"
        "ALTER TABLE public.src ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    with database.connect(owner) as connection, refused("42501", "row-level security"):
        copy_blocks(connection, None, None)
