"""What happens to a table after its capture has started: partitions, renames, disabled triggers, restores, crashes."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rollback, statuses
from harness.capture_schedules import (
    DIFFERENCE,
    PARTITIONED,
    PLAIN,
    START,
    apply_keys,
    drain,
)
from harness.databases import run

T = {"target": "public.src", "consumer": "reader"}
QUEUE = "lifecycle_data.src_reader_queue"
STATUS = "SELECT problem, remedy, missing FROM lifecycle.capture_status('public.src')"


def problem(database):
    return database.value("SELECT problem FROM lifecycle.capture_status('public.src')")


def taken(database):
    with database.connect() as connection:
        return drain(connection, QUEUE)


def mend(database):
    """What is wrong is seen by status and drain; the remedy mends it; the consumer is told to start afresh, once."""
    found = problem(database)
    assert found
    _, all_rows, _, said = taken(database)
    assert all_rows
    assert said == found
    before = database.dump()
    assert "planned" in statuses(call(database, "sync_capture", target="public.src", dry_run=True))
    assert database.dump() == before
    (remedy,) = {row[1] for row in database.execute(STATUS)}
    database.execute(remedy)
    assert problem(database) is None
    assert taken(database)[1:] == (True, None, None)
    assert taken(database) == (0, False, None, None)
    assert statuses(call(database, "sync_capture", target="public.src")) == ["skipped"]
    return found


@pytest.mark.parametrize("level", ["statement", "row"])
def test_partitions_come_and_go(database, level):
    database.execute(PARTITIONED + START)
    before = database.dump(schema_only=True)
    call(database, "start_capture", **T, trigger_level=level)
    assert taken(database) == (0, False, None, None)
    database.execute(
        "CREATE TABLE public.src_3 (LIKE public.src INCLUDING ALL); INSERT INTO public.src_3 VALUES (90, 3, 1);"
        "ALTER TABLE public.src ATTACH PARTITION public.src_3 FOR VALUES IN (3)"
    )
    assert "triggers are missing" in mend(database)
    database.execute("INSERT INTO public.src_3 VALUES (91, 3, 1)")
    assert taken(database)[0] == 1
    database.execute("TRUNCATE public.src_3")
    assert taken(database)[1]
    database.execute("ALTER TABLE public.src DETACH PARTITION public.src_3")
    assert "no partition" in mend(database)
    assert database.execute("SELECT FROM pg_trigger WHERE tgrelid = 'public.src_3'::regclass") == []
    database.execute("INSERT INTO public.src_3 VALUES (92, 3, 1); DROP TABLE public.src_3")
    database.execute("DROP TABLE public.src_2")
    assert "partitions were attached, detached, created or dropped" in mend(database)
    database.execute("CREATE TABLE public.src_2 PARTITION OF public.src_rest FOR VALUES FROM (2) TO (3)")
    mend(database)
    assert set(statuses(call(database, "drop_capture", **T, dry_run=False))) <= {
        "done",
        "skipped",
    }
    assert database.dump(schema_only=True) == before


def test_a_partition_made_together_with_its_triggers(database):
    """What the modules do that make partitions: nothing can have been missed, so nobody starts afresh."""
    database.execute(PARTITIONED + START)
    before = database.dump(schema_only=True)
    call(database, "start_capture", **T)
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="other",
        trigger_level="row",
    )
    assert database.value("SELECT lifecycle._capture_partition_steps('public.copy', 'public.x')::text") == "{}"
    database.execute(
        "SELECT lifecycle._apply('partition', 'public.src', ARRAY["
        "lifecycle._step('create', 'table public.src_3', 'CREATE TABLE public.src_3 (LIKE public.src INCLUDING ALL);"
        " ALTER TABLE public.src ATTACH PARTITION public.src_3 FOR VALUES IN (3)', 'DROP TABLE public.src_3')]"
        " || lifecycle._capture_partition_steps('public.src', 'public.src_3'), false, NULL)"
    )
    assert {row[0] for row in database.execute("SELECT problem FROM lifecycle.capture_status()")} == {None}
    database.execute("INSERT INTO public.src_3 VALUES (91, 3, 1)")
    assert taken(database) == (1, False, ["{91}", "{3}"], None)
    rollback(database, database.value("SELECT max(migration_id) FROM lifecycle.migration"))
    assert {row[0] for row in database.execute("SELECT problem FROM lifecycle.capture_status()")} == {None}
    for consumer in ("reader", "other"):
        call(
            database,
            "drop_capture",
            target="public.src",
            consumer=consumer,
            dry_run=False,
        )
    assert database.dump(schema_only=True) == before


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE public.src DISABLE TRIGGER USER",
        "ALTER TABLE public.src DISABLE TRIGGER capture_reader_update",
        "ALTER TABLE public.src ENABLE REPLICA TRIGGER capture_reader_delete",
        "DROP TRIGGER capture_reader_insert ON public.src",
        "ALTER TRIGGER capture_reader_truncate ON public.src RENAME TO mine",
    ],
)
def test_triggers_switched_off_dropped_or_renamed(database, statement):
    database.execute(PLAIN + START)
    call(database, "start_capture", **T)
    database.execute(statement)
    mend(database)
    database.execute(
        "UPDATE public.src SET id = id + 100 WHERE id = 1;"
        "DELETE FROM public.src WHERE id = 3; INSERT INTO public.src VALUES (3, 1, 1)"
    )
    assert taken(database)[2] == ["{1,3,101}"]
    call(database, "drop_capture", **T, dry_run=False)
    assert database.execute("SELECT FROM pg_trigger WHERE tgrelid = 'public.src'::regclass") == []
    assert not any("cascades" in notice for notice in database.notices), "they are meant to fall with their function"


def test_a_clone_switched_off(database):
    database.execute(PARTITIONED + START)
    call(database, "start_capture", **T, trigger_level="row")
    database.execute("ALTER TABLE public.src_1 DISABLE TRIGGER capture_reader_change")
    ((_, _, missing),) = database.execute(STATUS)
    assert missing == ["capture_reader_change on public.src_1"]
    mend(database)


def test_not_always(database):
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    database.execute("ALTER TABLE public.src ENABLE TRIGGER capture_reader_insert")
    ((said, _, missing),) = database.execute(STATUS)
    assert "session_replication_role" in said
    assert missing is None
    assert database.value("SELECT enable_always FROM lifecycle.capture_status()") is False
    assert taken(database) == (0, False, None, None), "nothing is known to be missed"
    call(database, "sync_capture", target="public.src")
    assert problem(database) is None


def test_renamed_and_altered_columns(database):
    """Writes fail until the capture follows, so both belong into one transaction; nothing is missed."""
    database.execute(PLAIN + START)
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="reader",
        key_columns=["id", "grp"],
    )
    database.execute("INSERT INTO public.src VALUES (20, 1, 1); ALTER TABLE public.src RENAME COLUMN id TO number")
    assert "column id integer is now number integer" in problem(database)
    with refused("42703", "id"):
        database.execute("INSERT INTO public.src VALUES (21, 1, 1)")
    assert "mark all rows" not in [s.action for s in call(database, "sync_capture", target="public.src")]
    database.execute("INSERT INTO public.src VALUES (21, 1, 1)")
    assert taken(database)[1:] == (False, ["{20,21}", "{1,1}"], None)
    with database.connect(autocommit=False) as connection:
        connection.execute("ALTER TABLE public.src ALTER COLUMN number TYPE bigint")
        call(connection, "sync_capture", target="public.src")
        connection.commit()
    database.execute("INSERT INTO public.src VALUES (10000000000, 1, 1)")
    assert taken(database)[2] == ["{10000000000}", "{1}"]
    assert database.value("SELECT key_columns FROM lifecycle.capture_status()") == [
        "number",
        "grp",
    ]
    database.execute("ALTER TABLE public.src DROP COLUMN val; INSERT INTO public.src VALUES (22, 1)")
    assert taken(database)[2] == ["{22}", "{1}"]
    database.execute("ALTER TABLE public.src DROP COLUMN grp")
    assert "column grp was dropped" in problem(database)
    with refused("55000", "column grp was dropped", "rollback_migration"):
        call(database, "sync_capture", target="public.src")
    call(database, "drop_capture", **T, dry_run=False)
    database.execute("INSERT INTO public.src VALUES (23)")


@pytest.mark.parametrize("level", ["statement", "row"])
def test_renamed_tables(database, level):
    database.execute(PARTITIONED + START)
    call(database, "start_capture", **T, trigger_level=level)
    database.execute(
        "ALTER TABLE public.src_1 RENAME TO first; CREATE SCHEMA s;"
        "ALTER TABLE public.src SET SCHEMA s; ALTER TABLE s.src RENAME TO moved;"
        "INSERT INTO s.moved (id, grp, val) VALUES (30, 1, 1);"
        "INSERT INTO public.first (id, grp, val) VALUES (31, 1, 1)"
    )
    assert database.execute(
        "SELECT source_schema, source_name, entries, problem FROM lifecycle.capture_status('s.moved')"
    ) == [("s", "moved", 2, None)]
    assert taken(database)[:2] == (2, False)
    assert statuses(
        call(
            database,
            "start_capture",
            target="s.moved",
            consumer="reader",
            trigger_level=level,
        )
    ) == ["skipped"]
    assert statuses(call(database, "sync_capture", target="s.moved")) == ["skipped"]
    assert set(
        statuses(
            call(
                database,
                "drop_capture",
                target="s.moved",
                consumer="reader",
                dry_run=False,
            )
        )
    ) == {"done"}
    assert database.execute("SELECT FROM pg_trigger WHERE tgname ~ '^capture'") == []
    assert database.value("SELECT to_regnamespace('lifecycle_data')") is None


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE public.src", "the source was dropped"),
        (f"DROP TABLE {QUEUE}", "every write to the source fails"),
        (f"DROP FUNCTION {QUEUE}() CASCADE", "the trigger function is gone"),
        (
            (
                "CREATE TABLE public.root (LIKE public.src INCLUDING ALL) PARTITION BY LIST (id);"
                "ALTER TABLE public.root ATTACH PARTITION public.src DEFAULT"
            ),
            "the source is a partition now",
        ),
    ],
)
def test_what_cannot_be_mended(database, statement, said):
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    database.execute(statement)
    ((found, remedy),) = database.execute("SELECT problem, remedy FROM lifecycle.capture_status()")
    assert said in found
    if "DROP TABLE public" not in statement:
        with refused("55000", said, remedy):
            call(database, "sync_capture", target="public.src")
    if "QUEUE" not in statement and QUEUE not in statement:
        assert taken(database)[1]
    database.execute(remedy)
    assert database.execute("SELECT FROM lifecycle.capture_status()") == []
    assert database.value("SELECT to_regnamespace('lifecycle_data')") is None


def test_another_owner(database, roles):
    owner = roles("owner")
    database.execute(PLAIN + START)
    call(database, "start_capture", **T)
    database.execute(f"ALTER TABLE public.src OWNER TO {owner}; DELETE FROM public.src WHERE id = 1")
    ((said, remedy, _),) = database.execute(STATUS)
    assert owner in said
    assert taken(database)[1:] == (False, ["{1}"], None), "it goes on"
    with refused("55000", "do not belong", "OWNER TO"):
        call(database, "sync_capture", target="public.src")
    database.execute(remedy)
    assert problem(database) is None


def test_a_planted_row_attaches_nothing(database, roles):
    """A registered function that is no trigger function of a capture is never attached to the table."""
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    database.execute(
        f"CREATE TABLE lifecycle_data.evil AS TABLE {QUEUE};"
        "CREATE FUNCTION lifecycle_data.evil() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NULL; END'; UPDATE lifecycle.capture"
        " SET queue = 'lifecycle_data.evil', queue_oid = 'lifecycle_data.evil'::regclass"
    )
    with refused("55000", "is not a trigger function of a capture"):
        call(database, "sync_capture", target="public.src")


def test_nothing_to_sync(database):
    database.execute(PLAIN)
    with refused("42704", "public.src is not captured"):
        call(database, "sync_capture", target="public.src")
    call(database, "start_capture", **T)
    with refused("42704", "for consumer nobody"):
        call(database, "sync_capture", target="public.src", consumer="nobody")


def test_sync_of_one_capture_leaves_the_other_alone(database):
    database.execute(PARTITIONED)
    call(database, "start_capture", **T)
    call(database, "start_capture", target="public.src", consumer="other")
    database.execute("CREATE TABLE public.src_3 PARTITION OF public.src FOR VALUES IN (3)")
    shown = call(database, "sync_capture", **T, dry_run=True)
    call(database, "sync_capture", **T, expected_plan=shown[0].plan_hash)
    assert [
        row[0] is None for row in database.execute("SELECT problem FROM lifecycle.capture_status() ORDER BY consumer")
    ] == [False, True]
    call(database, "sync_capture", target="public.src")
    call(database, "drop_capture", **T, dry_run=False)
    assert problem(database) is None


def test_dump_and_restore(database):
    """The triggers come back and go on; names decide, since the oids are those of another database."""
    database.execute(PARTITIONED + START)
    call(database, "start_capture", **T)
    database.execute("INSERT INTO public.src (id, grp, val) VALUES (20, 1, 1)")
    copy = database.empty()
    database.server.restore(copy.name, database.server.dump(database.name))
    copy.execute("INSERT INTO public.src (id, grp, val) VALUES (21, 1, 1)")
    assert copy.execute("SELECT entries, problem FROM lifecycle.capture_status('public.src')") == [(2, None)]
    assert taken(copy) == (2, False, ["{20,21}", "{1,1}"], None)
    adopted = call(copy, "sync_capture", target="public.src")
    assert [s.action for s in adopted] == ["register partitions"]
    copy.execute("ALTER TABLE public.src RENAME TO renamed; ALTER TABLE public.src_1 RENAME TO first")
    assert copy.execute("SELECT source_name, problem FROM lifecycle.capture_status()") == [("renamed", None)]
    copy.execute("DROP TABLE public.first")
    assert taken(copy)[1]
    copy.execute("ALTER TABLE public.renamed RENAME TO src")
    assert set(statuses(call(copy, "drop_capture", **T, dry_run=False))) <= {
        "done",
        "skipped",
    }
    assert copy.value("SELECT to_regnamespace('lifecycle_data')") is None


def test_without_the_extension(database):
    """Triggers and queue are no members of it: writes go on being recorded."""
    database.execute(PARTITIONED + START)
    for level in ("statement", "row"):
        call(
            database,
            "start_capture",
            target="public.src",
            consumer=level,
            trigger_level=level,
        )
    database.execute("DROP EXTENSION pg_lifecycle; UPDATE public.src SET grp = 2 WHERE id = 1; TRUNCATE public.src_2")
    for queue in ("src_statement_queue", "src_row_queue"):
        assert database.value(f"SELECT count(DISTINCT (id, all_rows)) FROM lifecycle_data.{queue}") == 2


def test_entries_beyond_the_bound_are_estimated(database):
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    database.execute(f"INSERT INTO {QUEUE} (id) SELECT generate_series(1, 100001); ANALYZE {QUEUE}")
    ((entries, age, size),) = database.execute("SELECT entries, lag > '0', bytes FROM lifecycle.capture_status()")
    assert 100_000 <= entries <= 100_001
    assert age
    assert size > 1_000_000


@pytest.mark.faults
def test_a_crash_in_the_middle_of_a_drain(own_server):
    """SIGKILL between drain, write and commit: nothing was taken, the copy is as it was, the next round brings all."""
    own_server.execute("CREATE DATABASE crash")
    with own_server.connect("crash") as connection:
        run(
            connection,
            f"CREATE EXTENSION pg_lifecycle; {PLAIN}; SELECT lifecycle.start_capture('public.src', 'reader')",
        )
    for point in range(3):
        with own_server.connect("crash") as writer:
            run(
                writer,
                f"INSERT INTO public.src VALUES ({point}, 1, {point}); UPDATE public.src SET val = val + 1",
            )
        drainer = own_server.connect("crash")
        open_writer = own_server.connect("crash")
        run(drainer, "BEGIN")
        if point > 0:
            _, all_rows, keys, _ = drain(drainer, QUEUE)
        if point > 1:
            apply_keys(drainer, QUEUE, keys, all_rows)
        run(open_writer, "BEGIN; INSERT INTO public.src VALUES (99, 9, 9)")
        own_server.crash()
        for broken in (drainer, open_writer):
            with pytest.raises(psycopg.OperationalError):
                run(broken, "SELECT 1")
        own_server.start()
        with own_server.connect("crash") as connection:
            run(connection, "BEGIN")
            entries, all_rows, keys, said = drain(connection, QUEUE)
            assert (entries, all_rows, said) == (2 + point, False, None)
            apply_keys(connection, QUEUE, keys, all_rows)
            run(connection, "COMMIT")
            assert run(connection, DIFFERENCE.format(source="public.src", copy="public.copy")) == [(0,)]
