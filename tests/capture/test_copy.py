"""Copying in key ranges and replaying captured keys: what conversion, split and merge stand on."""

from __future__ import annotations

from harness.calls import call, refused, rows

SCENE = """
CREATE TABLE public.src (a int, b text, val int, twice int GENERATED ALWAYS AS (val * 2) STORED, PRIMARY KEY (a, b));
INSERT INTO public.src SELECT n / 10, 'b' || n % 10, n FROM generate_series(1, 100) AS n;
CREATE TABLE public.dst (val int, a int, b text, twice int GENERATED ALWAYS AS (val * 2) STORED,
    PRIMARY KEY (a, b, val)) PARTITION BY LIST (val);
CREATE TABLE public.dst_odd PARTITION OF public.dst DEFAULT;
"""
SAME = """
SELECT count(*) FROM ((SELECT a, b, val, twice FROM public.src EXCEPT ALL SELECT a, b, val, twice FROM public.dst)
    UNION ALL (SELECT a, b, val, twice FROM public.dst EXCEPT ALL SELECT a, b, val, twice FROM public.src)) AS d
"""


def copy_all(place, size):
    after, copied = None, 0
    while True:
        ((until,),) = rows(
            place,
            "SELECT lifecycle._range_end('public.src', '{a,b}', %s, %s)",
            [after, size],
        )
        copied += rows(
            place,
            "SELECT lifecycle._copy_range('public.src', 'public.dst', '{a,b}', %s, %s)",
            [after, until],
        )[0][0]
        if until is None:
            return copied
        after = until


def replay(place):
    return rows(
        place,
        "SELECT r.* FROM lifecycle._replay('lifecycle_data.src_reader_queue', 'public.src', 'public.dst', '{a,b}', "
        "'{a,b,val}', '{a,b,val}', 1000) AS r",
    )[0]


def test_copy_in_ranges_and_replay(database):
    database.execute(SCENE)
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="reader",
        key_columns=["a", "b", "val"],
    )
    assert copy_all(database, 7) == 100
    assert database.value(SAME) == 0
    database.execute("DELETE FROM public.src WHERE a = 3")
    database.execute("UPDATE public.src SET val = val + 1000 WHERE a = 4")
    database.execute("UPDATE public.src SET b = 'new' || b WHERE a = 5; INSERT INTO public.src VALUES (1000, 'x', 1)")
    assert database.value(SAME) > 0
    assert replay(database)[1:] == (False, None)
    assert database.value(SAME) == 0
    assert replay(database)[0] == 0
    database.execute("TRUNCATE public.src")
    assert replay(database)[1]


def test_rows_that_a_policy_hides_are_not_left_out(database, roles):
    owner = roles("owner")
    database.execute(SCENE)
    database.execute(
        f"GRANT USAGE ON SCHEMA lifecycle TO {owner}; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lifecycle TO {owner};"
        f"ALTER TABLE public.src OWNER TO {owner}; ALTER TABLE public.dst OWNER TO {owner};"
        "ALTER TABLE public.src ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"
    )
    with database.connect(owner) as connection, refused("42501", "row-level security"):
        rows(
            connection,
            "SELECT lifecycle._copy_range('public.src', 'public.dst', '{a,b}', NULL, NULL)",
        )
