"""Every way to write a table is seen, with old and new keys, whatever the types and names of the key."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused
from harness.capture_schedules import PARTITIONED, PLAIN, START, drain, table_of

QUEUE = "lifecycle_data.src_reader_queue"
WRITES = [
    ("insert", "INSERT INTO public.src VALUES (20, 0, 1), (21, 1, 1)", {20, 21}),
    ("no row", "INSERT INTO public.src SELECT 1, 1, 1 WHERE false", set()),
    ("update", "UPDATE public.src SET val = 5 WHERE id IN (1, 3)", {1, 3}),
    (
        "update of the key",
        "UPDATE public.src SET id = id + 100 WHERE id IN (1, 3)",
        {1, 3, 101, 103},
    ),
    ("delete", "DELETE FROM public.src WHERE id < 4", {1, 3}),
    (
        "upsert",
        "INSERT INTO public.src VALUES (1, 1, 9), (30, 0, 9) ON CONFLICT {conflict} DO UPDATE SET val = 9",
        {1, 30},
    ),
    (
        "merge",
        (
            "MERGE INTO public.src AS s USING (VALUES (1, 1), (3, 0), (31, 2)) AS v (id, grp)"
            " ON (s.id, s.grp) = (v.id, v.grp)"
            " WHEN MATCHED AND s.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET val = 8"
            " WHEN NOT MATCHED THEN INSERT (id, grp, val) VALUES (v.id, v.grp, 0)"
        ),
        {1, 3, 31},
    ),
    (
        "with",
        (
            "WITH gone AS (DELETE FROM public.src WHERE id = 1 RETURNING *)"
            " INSERT INTO public.src (id, grp, val) SELECT id + 50, grp, val FROM gone"
        ),
        {1, 51},
    ),
    ("cascade", "DELETE FROM public.owner WHERE id = 1", {1, 7}),
    ("truncate", "TRUNCATE public.src", None),
]
PARTITION_WRITES = [
    ("move", "UPDATE public.src SET grp = 2 WHERE id IN (1, 3)", {1, 3}),
    (
        "insert into a leaf",
        "INSERT INTO public.src_1 (id, grp, val) VALUES (40, 1, 1)",
        {40},
    ),
    ("update of a leaf", "UPDATE public.src_0 SET id = 41 WHERE id = 3", {3, 41}),
    ("delete from a leaf", "DELETE FROM public.src_2 WHERE id = 5", {5}),
    ("move below the root", "UPDATE public.src_rest SET grp = 2 WHERE id = 1", {1}),
    ("truncate of a leaf", "TRUNCATE public.src_2", None),
]


def ids(connection, queue=QUEUE):
    """The ids in the queue, or None for all rows."""
    _, all_rows, keys, problem = drain(connection, queue)
    assert problem is None
    if all_rows:
        return None
    if keys is None:
        return set()
    return {row[0] for row in connection.execute(f"SELECT k.id FROM {table_of(connection, queue, keys)}").fetchall()}


@pytest.mark.parametrize("level", ["statement", "row"])
@pytest.mark.parametrize("partitioned", [False, True], ids=["plain", "partitioned"])
def test_every_write_is_seen(database, level, partitioned):
    database.execute((PARTITIONED if partitioned else PLAIN) + START)
    database.execute(
        "CREATE TABLE public.owner (id int PRIMARY KEY); INSERT INTO public.owner SELECT generate_series(0, 2);"
        "ALTER TABLE public.src ADD CONSTRAINT f FOREIGN KEY (grp) REFERENCES public.owner ON DELETE CASCADE"
    )
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="reader",
        trigger_level=level,
    )
    for name, statement, expected in WRITES + (PARTITION_WRITES if partitioned else []):
        with database.connect(autocommit=False) as connection:
            connection.execute(statement.format(conflict="(id, grp)" if partitioned else "(id)"))
            assert ids(connection) == expected, name
            connection.rollback()
    with database.connect(autocommit=False) as connection:
        with connection.cursor().copy("COPY public.src (id, grp, val) FROM STDIN") as copy:
            copy.write_row((60, 0, 1))
            copy.write_row((61, 2, 1))
        assert ids(connection) == {60, 61}


def test_enable_always_decides_about_the_replica_role(database):
    database.execute(PLAIN)
    call(database, "start_capture", target="public.src", consumer="reader")
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="other",
        enable_always=False,
    )
    with database.connect() as connection:
        connection.execute("SET session_replication_role = replica; INSERT INTO public.src VALUES (1, 1, 1)")
        assert ids(connection) == {1}
        assert ids(connection, "lifecycle_data.src_other_queue") == set()


@pytest.mark.parametrize("level", ["statement", "row"])
def test_triggers_of_partitions_are_enabled_always(database, level):
    database.execute(PARTITIONED)
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="reader",
        trigger_level=level,
    )
    database.execute("CREATE TABLE public.src_3 PARTITION OF public.src FOR VALUES IN (3)")
    found = "SELECT DISTINCT tgenabled FROM pg_trigger WHERE tgname ~ '^capture' AND tgrelid::regclass::text ~ 'src'"
    assert database.execute(found) == [("A",)]


def test_bounded_drains_take_the_oldest_first(database):
    database.execute(PLAIN)
    call(database, "start_capture", target="public.src", consumer="reader")
    for number in range(1, 6):
        database.execute("INSERT INTO public.src VALUES (%s, 0, 0)", [number])
    with database.connect() as connection:
        assert [drain(connection, QUEUE, 2)[0] for _ in range(4)] == [2, 2, 1, 0]
        connection.execute(
            "TRUNCATE public.src; INSERT INTO public.src VALUES (9, 0, 0); INSERT INTO public.src VALUES (8, 0, 0)"
        )
        assert drain(connection, QUEUE, 1) == (3, True, None, None), "what means all rows takes the rest along"


def test_a_rolled_back_drain_gives_the_entries_back(database):
    database.execute(PLAIN)
    call(database, "start_capture", target="public.src", consumer="reader")
    database.execute(START)
    with database.connect(autocommit=False) as connection:
        assert len(ids(connection)) == 6
        connection.rollback()
        assert len(ids(connection)) == 6


def test_drain_refuses_what_would_lose_changes(database):
    database.execute(PLAIN)
    call(database, "start_capture", target="public.src", consumer="reader")
    for level in ("REPEATABLE READ", "SERIALIZABLE"):
        with (
            database.connect() as connection,
            refused("25000", level.lower(), "later snapshot"),
        ):
            connection.execute(f"BEGIN ISOLATION LEVEL {level}")
            drain(connection, QUEUE)
    for bad in (0, -1, None):
        with database.connect() as connection, refused("22023", "max_rows"):
            drain(connection, QUEUE, bad)
    with (
        database.connect() as connection,
        refused("42704", "public.copy is not the queue"),
    ):
        drain(connection, "public.copy")
    with refused("42704", "not captured for consumer nobody", "start_capture"):
        database.execute("SELECT lifecycle._capture_queue('public.src', 'nobody')")
    assert database.value("SELECT lifecycle._capture_queue('public.src', 'reader')::text") == QUEUE


TYPES = [
    ("float8", "0.1::float8 + 0.2", "1e-300"),
    ("numeric", "1.10", "'NaN'"),
    ("timestamptz", "'2024-02-29 12:00:00.123456+02'", "'-infinity'"),
    ("date", "'0044-03-15 BC'", "'infinity'"),
    ("interval", "'-1 mon +2 days -03:04:05.678901'", "'-1 day'"),
    ("text", "'a,b(\"c\") \\ {d}'", "''"),
    ("text", "'NULL'", "E'two\nlines'"),
    ('text COLLATE "C"', "'x'", "'X'"),
    ("bytea", r"'\x00ff'", r"'\x'"),
    (
        "uuid",
        "'00000000-0000-0000-0000-000000000001'",
        "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
    ),
    ("int[]", "'{1,NULL,3}'", "'{}'"),
    ("public.mood", "'so so'", "'bad'"),
    ("public.pair", "'(1,\"x y\")'", "'(,)'"),
    ("public.positive", "5", "6"),
    ("daterange", "'[2024-01-01,2024-02-01)'", "'empty'"),
    ("jsonb", """'{"a": [1, "b"]}'""", "'null'"),
    ("char(5)", "'ab'", "'b'"),
    ("varchar(7)", "'abcdefg'", "'h'"),
    ("bit varying", "'101'", "'1'"),
    ("boolean", "true", "false"),
    ("inet", "'10.0.0.1/8'", "'::1'"),
]


@pytest.mark.parametrize(("type_name", "one", "other"), TYPES, ids=[row[0] for row in TYPES])
def test_keys_come_back_as_they_were(database, type_name, one, other):
    """Through text, under settings of the session that shorten or reorder what is printed."""
    database.execute(
        "CREATE TYPE public.mood AS ENUM ('so so', 'bad'); CREATE TYPE public.pair AS (a int, b text);"
        "CREATE DOMAIN public.whole AS int NOT NULL; CREATE DOMAIN public.positive AS public.whole CHECK (VALUE > 0);"
        f"CREATE TABLE public.src (k {type_name} PRIMARY KEY)"
    )
    call(database, "start_capture", target="public.src", consumer="reader")
    database.execute(f"INSERT INTO public.src VALUES ({one}), ({other})")
    with database.connect() as connection:
        connection.execute(
            "SET extra_float_digits = -5; SET datestyle = 'SQL, DMY'; SET intervalstyle = sql_standard;"
            "SET timezone = 'Asia/Kolkata'; SET bytea_output = 'escape'"
        )
        _, _, keys, problem = drain(connection, QUEUE)
        assert problem is None
        given = table_of(connection, QUEUE, keys)
        found = connection.execute(f"SELECT count(*) FROM public.src AS s JOIN {given} ON s.k = k.k").fetchone()
        assert found == (2,)
        connection.execute("TRUNCATE public.src")
        assert drain(connection, QUEUE) == (1, True, None, None), "an entry for all rows fits, whatever a domain says"


def test_null_keys_and_repeated_keys(database):
    database.execute("CREATE TABLE public.src (id int, a int, b text)")
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="reader",
        key_columns=["b", "a"],
    )
    database.execute("INSERT INTO public.src SELECT g, nullif(g % 2, 0), 'x' FROM generate_series(1, 100) AS g")
    assert database.value(f"SELECT count(*) FROM {QUEUE}") == 2, "one entry for each key of a statement"
    database.execute("INSERT INTO public.src VALUES (1, 1, 'x'), (2, NULL, NULL), (3, 5, '')")
    with database.connect() as connection:
        entries, _, keys, _ = drain(connection, QUEUE)
        found = connection.execute(f"SELECT k.b, k.a FROM {table_of(connection, QUEUE, keys)}").fetchall()
    assert entries == 5
    assert set(found) == {("x", 1), ("x", None), (None, None), ("", 5)}


@pytest.mark.parametrize("level", ["statement", "row"])
def test_names_of_all_kinds(database, level):
    """Of schema, table, columns and consumer; also those of the queue's own columns, and of variables of plpgsql."""
    names = [
        'x"; DROP TABLE public.canary; --',
        "it's",
        "$fn$",
        "ü" * 31,
        "new",
        "old",
        "n",
        "o",
        "tg_op",
        "entered_at",
        "all_rows",
        "all_rows_",
        "select",
        "%I",
        "a b",
        "back\\slash",
        "lifecycle_new",
        "two\nlines",
    ]
    database.execute("CREATE TABLE public.canary ()")
    columns = [psycopg.sql.Identifier(name).as_string() for name in names]
    for number, name in enumerate(names):
        quoted = psycopg.sql.Identifier(name).as_string()
        table = f"{quoted}.{quoted}"
        database.execute(f"CREATE SCHEMA {quoted}; CREATE TABLE {table} ({', '.join(f'{c} int' for c in columns)})")
        before = database.dump(schema_only=True) if number == 0 else ""
        call(
            database,
            "start_capture",
            target=table,
            consumer=name[:25],
            key_columns=names,
            trigger_level=level,
        )
        database.execute(f"INSERT INTO {table} DEFAULT VALUES; UPDATE {table} SET {quoted} = 7; DELETE FROM {table}")
        ((problem, queue),) = database.execute("SELECT problem, queue FROM lifecycle.capture_status(%s)", [table])
        assert problem is None
        with database.connect() as connection:
            _, _, keys, _ = drain(connection, queue)
            found = connection.execute(f"SELECT k.{quoted} FROM {table_of(connection, queue, keys)}").fetchall()
        assert sorted(found, key=str) == [(7,), (None,)]
        call(database, "drop_capture", target=table, consumer=name[:25], dry_run=False)
        if number == 0:
            assert database.dump(schema_only=True) == before
        database.execute(f"DROP SCHEMA {quoted} CASCADE")
    assert database.value("SELECT to_regclass('public.canary')::text") == "canary"


def test_publication_for_all_tables(database):
    database.execute(PLAIN + "CREATE PUBLICATION p FOR ALL TABLES")
    call(database, "start_capture", target="public.src", consumer="reader")
    database.execute("INSERT INTO public.src VALUES (1, 1, 1)")
    with database.connect() as connection:
        assert ids(connection) == {1}


def test_what_no_trigger_sees(database):
    """As docs/capture.md says: a rewrite of the table, and what happened between DISABLE and ENABLE."""
    database.execute(PLAIN + START)
    call(database, "start_capture", target="public.src", consumer="reader")
    database.execute(
        "ALTER TABLE public.src ALTER COLUMN val TYPE bigint USING val + 1;"
        "ALTER TABLE public.src ADD COLUMN more int DEFAULT 7;"
        "ALTER TABLE public.src DISABLE TRIGGER USER; DELETE FROM public.src WHERE id = 1;"
        "ALTER TABLE public.src ENABLE TRIGGER USER"
    )
    with database.connect() as connection:
        assert ids(connection) == set()


def test_logical_replication(database):
    """The apply worker fires row triggers that are ENABLE ALWAYS, and no statement triggers."""
    publisher = database.empty()
    slot = f"s_{publisher.name}"
    publisher.execute(PLAIN + "CREATE PUBLICATION p FOR TABLE public.src")
    publisher.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", [slot])
    database.execute(PLAIN)
    call(database, "start_capture", target="public.src", consumer="reader")
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="by_row",
        trigger_level="row",
    )
    dsn = psycopg.sql.quote(publisher.dsn())
    database.execute(
        f"CREATE SUBSCRIPTION {slot} CONNECTION {dsn} PUBLICATION p"
        f" WITH (create_slot = false, copy_data = false, slot_name = {slot})"
    )
    try:
        publisher.execute(
            "INSERT INTO public.src VALUES (1, 1, 1), (2, 2, 2); UPDATE public.src SET id = 3 WHERE id = 2"
        )
        for _ in range(300):
            if database.value("SELECT count(*) FROM public.src WHERE id = 3"):
                break
            database.execute("SELECT pg_sleep(0.1)")
        with database.connect() as connection:
            assert ids(connection, "lifecycle_data.src_by_row_queue") == {1, 2, 3}
            assert ids(connection) == set()
    finally:
        database.execute(f"DROP SUBSCRIPTION {slot}")
