"""Starting and ending a capture: plans, refusals, owners."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, rows, statuses
from harness.capture_schedules import PARTITIONED, PLAIN, START, drain

T = {"target": "public.src", "consumer": "reader"}
QUEUE = "lifecycle_data.src_reader_queue"


@pytest.mark.parametrize("level", ["statement", "row"])
@pytest.mark.parametrize("partitioned", [False, True], ids=["plain", "partitioned"])
def test_dry_run_and_rollback_are_exact(database, level, partitioned):
    database.execute((PARTITIONED if partitioned else PLAIN) + START)
    before = database.dump(sort_rows=True)
    shown = call(database, "start_capture", **T, trigger_level=level, dry_run=True)
    assert database.dump(sort_rows=True) == before
    before = database.dump(schema_only=True)
    done = call(
        database,
        "start_capture",
        **T,
        trigger_level=level,
        expected_plan=shown[0].plan_hash,
    )
    assert [s.statement for s in done] == [s.statement for s in shown]
    assert {row[0] for row in rows(database, "SELECT severity FROM lifecycle.verify_migrations()")} == {"ok"}
    stands = database.dump(schema_only=True)
    assert statuses(call(database, "start_capture", **T, trigger_level=level)) == ["skipped"]
    assert set(statuses(call(database, "drop_capture", **T))) == {"planned"}
    assert database.dump(schema_only=True) == stands
    database.execute("INSERT INTO public.src (id, grp, val) VALUES (100, 1, 1)")
    assert set(statuses(call(database, "drop_capture", **T, dry_run=False))) == {"done"}
    assert database.dump(schema_only=True) == before
    assert call(database, "drop_capture", **T, dry_run=False) == []
    assert any("nothing to drop" in notice for notice in database.notices)
    database.execute("INSERT INTO public.src (id, grp, val) VALUES (101, 1, 1)")


def test_consumers_do_not_share(database):
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="other",
        key_columns=["grp", "val"],
    )
    database.execute("INSERT INTO public.src VALUES (1, 2, 3)")
    with database.connect() as connection:
        assert drain(connection, QUEUE)[2] == ["{1}"]
        assert drain(connection, "lifecycle_data.src_other_queue")[2] == ["{2}", "{3}"]
    call(database, "drop_capture", **T, dry_run=False)
    database.execute("INSERT INTO public.src VALUES (2, 2, 3)")
    assert database.execute("SELECT consumer, entries, key_columns FROM lifecycle.capture_status()") == [
        ("other", 1, ["grp", "val"])
    ]


def test_queues_of_tables_of_one_name(database):
    """Also where joining the parts of two names gives one and the same."""
    database.execute(
        "CREATE SCHEMA s; CREATE TABLE public.t (id int PRIMARY KEY); CREATE TABLE s.t (id int PRIMARY KEY);"
        "CREATE TABLE public.t_a (id int PRIMARY KEY); CREATE TABLE public.s_t (id int PRIMARY KEY)"
    )
    for target, consumer in (
        ("public.t", "a_b"),
        ("s.t", "a_b"),
        ("public.t_a", "b"),
        ("public.s_t", "a_b"),
    ):
        call(database, "start_capture", target=target, consumer=consumer)
    queues = [
        row[0] for row in database.execute('SELECT queue FROM lifecycle.capture_status() ORDER BY queue COLLATE "C"')
    ]
    assert len(set(queues)) == 4
    assert queues[:2] == ["lifecycle_data.public_t_a_b_queue", "lifecycle_data.s_t_a_b_queue"] or len(queues) == 4
    assert {row[0] for row in database.execute("SELECT problem FROM lifecycle.capture_status()")} == {None}


def test_columns_that_will_not_do(database):
    database.execute("CREATE TABLE public.src (id int, doc json, val int)")
    for columns, sqlstate, words in (
        (None, "55000", "no primary key"),
        ([], "55000", "no primary key"),
        (["nothing"], "42703", "nothing"),
        (["id", "id"], "22023", "twice"),
        (["id", None], "22023", "none"),
        (["doc"], "42883", "has no order"),
        (["ctid"], "42703", "ctid"),
    ):
        with refused(sqlstate, words):
            call(database, "start_capture", **T, key_columns=columns)
    call(database, "start_capture", **T, key_columns=["id"])
    for changed in (
        {"key_columns": ["val"]},
        {"key_columns": ["id"], "trigger_level": "row"},
        {"key_columns": ["id"], "enable_always": False},
    ):
        with refused("55000", "in another way", "drop_capture"):
            call(database, "start_capture", **T, **changed)


@pytest.mark.min_major(18)
def test_virtual_generated_columns_are_refused(database):
    database.execute("CREATE TABLE public.src (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) VIRTUAL)")
    with refused("0A000", "virtual generated column"):
        call(database, "start_capture", **T, key_columns=["twice"])


def test_stored_generated_columns_are_keys(database):
    database.execute("CREATE TABLE public.src (id int PRIMARY KEY, twice int GENERATED ALWAYS AS (id * 2) STORED)")
    call(database, "start_capture", **T, key_columns=["twice"])
    database.execute("INSERT INTO public.src VALUES (4)")
    with database.connect() as connection:
        assert drain(connection, QUEUE)[2] == ["{8}"]


def test_tables_that_triggers_cannot_watch(database):
    database.execute(
        PARTITIONED + "CREATE UNLOGGED TABLE public.unlogged (id int PRIMARY KEY);"
        "CREATE TABLE public.above (id int PRIMARY KEY); CREATE TABLE public.below () INHERITS (public.above);"
        "CREATE VIEW public.v AS SELECT 1 AS id; CREATE TEMP TABLE temporary (id int PRIMARY KEY)"
    )
    for target, sqlstate, word in (
        ("public.unlogged", "0A000", "unlogged"),
        ("public.above", "0A000", "inheritance"),
        ("public.below", "0A000", "inheritance"),
        ("public.src_1", "0A000", "trigger_level => 'row'"),
        ("public.v", "42809", "a view"),
        ("temporary", "42809", "temporary"),
        ("lifecycle.migration", "42809", "extension"),
        (None, "22004", "NULL"),
    ):
        with refused(sqlstate, word):
            call(
                database,
                "start_capture",
                target=target,
                consumer="reader",
                key_columns=["id"] if target == "public.below" else None,
            )
    for level in ("each", None):
        with refused("22023", "statement or row"):
            call(database, "start_capture", **T, trigger_level=level)
    for consumer in ("", None):
        with refused("22023", "consumer"):
            call(database, "start_capture", target="public.src", consumer=consumer)
    database.execute(
        "CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w;"
        "CREATE TABLE public.f (id int) PARTITION BY LIST (id);"
        "CREATE FOREIGN TABLE public.far PARTITION OF public.f FOR VALUES IN (1) SERVER s"
    )
    with refused("0A000", "another server", "public.far"):
        call(
            database,
            "start_capture",
            target="public.f",
            consumer="reader",
            key_columns=["id"],
        )


def test_a_partition_alone(database):
    """Row triggers on one leaf see what is written through any of its ancestors."""
    database.execute(PARTITIONED)
    call(
        database,
        "start_capture",
        target="public.src_1",
        consumer="leaf",
        trigger_level="row",
    )
    database.execute("INSERT INTO public.src VALUES (1, 1, 1), (2, 2, 2); UPDATE public.src SET grp = 1 WHERE id = 2")
    with database.connect() as connection:
        assert drain(connection, "lifecycle_data.src_1_leaf_queue")[2] == ["{1,2}", "{1,1}"]
        connection.execute("TRUNCATE public.src")
        assert drain(connection, "lifecycle_data.src_1_leaf_queue")[1]


def test_isolation_level(database):
    database.execute(PLAIN)
    with database.connect() as connection, refused("25000"):
        connection.execute("SET default_transaction_isolation = 'repeatable read'")
        call(connection, "start_capture", **T)


def test_a_writer_in_the_way(database, session):
    """The lock waits out those who write; it is not waited for beyond lock_timeout, and nothing is left behind."""
    database.execute(PLAIN)
    before = database.dump(schema_only=True)
    writer, starter = session(database, autocommit=False), session(database)
    writer.run("INSERT INTO public.src VALUES (1, 1, 1)")
    starter.run("SET lifecycle.lock_timeout = 10; SET lifecycle.lock_attempts = 2; SET lifecycle.lock_retry_delay = 1")
    with refused("55P03", "public.src", str(writer.pid)):
        starter.run("SELECT lifecycle.start_capture('public.src', 'reader')")
    assert database.dump(schema_only=True) == before
    writer.run("COMMIT")
    starter.run("SELECT lifecycle.start_capture('public.src', 'reader')")


def test_a_role_that_may_only_write(database, roles):
    writer = roles("writer")
    database.execute(PLAIN + f"GRANT INSERT, UPDATE, DELETE, TRUNCATE, SELECT ON public.src TO {writer}")
    call(database, "start_capture", **T)
    with database.connect(writer) as connection:
        connection.execute(
            "INSERT INTO public.src VALUES (1, 1, 1); UPDATE public.src SET id = 2; DELETE FROM public.src"
        )
        for statement in (
            f"SELECT FROM {QUEUE}",
            f"DELETE FROM {QUEUE}",
            f"INSERT INTO {QUEUE} VALUES (DEFAULT)",
        ):
            with refused("42501"):
                connection.execute(statement)
        connection.execute("CREATE TEMP TABLE mine (id int)")
        with refused("42501", "lifecycle_data"):
            connection.execute(f"CREATE TRIGGER t AFTER TRUNCATE ON mine EXECUTE FUNCTION {QUEUE}()")
        with refused("42501"):
            connection.execute("SELECT lifecycle.start_capture('public.src', 'mine')")
    assert database.value(f"SELECT count(*) FROM {QUEUE}") == 4


def test_row_level_security_does_not_hide_changes(database, roles):
    writer = roles("writer")
    database.execute(
        PLAIN
        + f"""GRANT ALL ON public.src TO {writer}; ALTER TABLE public.src ENABLE ROW LEVEL SECURITY;
        ALTER TABLE public.src FORCE ROW LEVEL SECURITY;
        CREATE POLICY low ON public.src TO {writer} USING (val < 10) WITH CHECK (true)"""
    )
    call(database, "start_capture", **T)
    with database.connect(writer) as connection:
        connection.execute(
            "INSERT INTO public.src VALUES (1, 1, 1), (2, 1, 100);"
            "UPDATE public.src SET val = 50; DELETE FROM public.src"
        )
    with database.connect() as connection:
        entries, _, keys, _ = drain(connection, QUEUE)
    assert (entries, keys) == (3, ["{1,2}"])


def test_the_owner_of_the_table_owns_it_all(database, roles):
    """A superuser starts it for an owner who has nothing to do with pg_lifecycle; what is granted for it goes again."""
    owner = roles("owner")
    other = roles("other")
    database.execute(
        PLAIN + f"ALTER TABLE public.src OWNER TO {owner}; ALTER TABLE public.copy OWNER TO {owner};"
        "CREATE TABLE public.mine (id int PRIMARY KEY)"
    )
    call(database, "start_capture", target="public.mine", consumer="keeps the schema")
    before = database.dump(schema_only=True)
    call(database, "start_capture", **T)
    call(database, "start_capture", target="public.copy", consumer="reader")
    owners = database.execute(
        "SELECT DISTINCT o FROM (SELECT relowner::regrole::text FROM pg_class WHERE relname ~ 'reader_queue$'"
        " UNION ALL SELECT proowner::regrole::text FROM pg_proc WHERE proname ~ 'reader_queue$') AS x (o)"
    )
    assert owners == [(owner,)]
    with database.connect(owner) as connection:
        connection.execute("INSERT INTO public.src VALUES (1, 1, 1)")
    assert database.value(f"SELECT count(*) FROM {QUEUE}") == 1
    call(database, "drop_capture", **T, dry_run=False)
    with database.connect(owner) as connection:
        connection.execute("INSERT INTO public.copy VALUES (1, 1, 1)")
    call(database, "drop_capture", target="public.copy", consumer="reader", dry_run=False)
    assert database.dump(schema_only=True) == before
    call(database, "grant_lifecycle_admin", role_name=other)
    database.execute(f"GRANT {owner} TO {other}")
    with (
        database.connect(other) as connection,
        refused("42501", owner, "grant_lifecycle_admin"),
    ):
        call(connection, "start_capture", **T)


def test_an_administrator_who_is_no_superuser(database, roles):
    admin, stranger = roles("admin"), roles("stranger")
    call(database, "grant_lifecycle_admin", role_name=admin)
    call(database, "grant_lifecycle_admin", role_name=stranger)
    database.execute(
        PARTITIONED
        + START
        + ";"
        + "; ".join(
            f"ALTER TABLE {t} OWNER TO {admin}"
            for t in (
                "public.src",
                "public.src_0",
                "public.src_rest",
                "public.src_1",
                "public.src_2",
            )
        )
    )
    database.execute("CREATE TABLE public.hers (id int PRIMARY KEY)")
    with database.connect(stranger) as connection:
        for name in ("start_capture", "sync_capture", "drop_capture"):
            with refused("42501", "must be owner"):
                call(connection, name, **T)
    with database.connect(admin) as connection:
        call(connection, "start_capture", **T)
        connection.execute("INSERT INTO public.src VALUES (50, 1, 1)")
        assert drain(connection, QUEUE)[0] == 1
        database.execute("DROP TABLE public.src_2")
        assert set(statuses(call(connection, "sync_capture", target="public.src"))) == {"done"}
        with refused("42501"):
            connection.execute(
                "UPDATE lifecycle.capture SET source = 'public.hers', source_oid = 'public.hers'::regclass"
            )
        with refused("42501"):
            connection.execute(
                "INSERT INTO lifecycle.capture (queue, queue_oid, source, source_oid, consumer, key_columns,"
                " column_numbers, trigger_level, enable_always) SELECT 'x', queue_oid, 'public.hers',"
                " 'public.hers'::regclass, consumer, '{id}', '{1}', 'row', true FROM lifecycle.capture"
            )
    with database.connect(stranger) as connection:
        assert connection.execute("DELETE FROM lifecycle.capture").rowcount == 0
        assert connection.execute("UPDATE lifecycle.capture SET source = 'x'").rowcount == 0
        with refused("42501"):
            drain(connection, QUEUE)
        assert connection.execute("SELECT entries >= 0, oldest_entry FROM lifecycle.capture_status()").fetchall() == [
            (True, None)
        ]
    with database.connect(admin) as connection:
        assert set(statuses(call(connection, "drop_capture", **T, dry_run=False))) <= {
            "done",
            "skipped",
        }
    assert database.execute("SELECT FROM pg_trigger WHERE tgname ~ '^capture'") == []


def test_status_for_those_who_only_use(database, roles):
    user = roles("user_")
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    call(database, "grant_lifecycle_use", role_name=user)
    with database.connect(user) as connection:
        assert connection.execute(
            "SELECT source_schema, source_name, consumer, problem FROM lifecycle.capture_status()"
        ).fetchall() == [("public", "src", "reader", None)]


def test_part_of_another_change(database):
    """Another module takes the steps into its own plan: its rollback is theirs, drop_capture says so."""
    database.execute(PLAIN)
    before = database.dump(schema_only=True)
    database.execute(
        "SELECT lifecycle._apply('view', 'public.src', lifecycle._data_schema_steps()"
        " || lifecycle._plan_capture('public.src', 'a', NULL,"
        " 'statement', true) || lifecycle._plan_capture('public.src', 'b', '{grp}', 'row', true), false, NULL)"
    )
    with refused("2BP01", "not made by start_capture", "view of public.src"):
        call(database, "drop_capture", target="public.src", consumer="a")
    database.execute("INSERT INTO public.src VALUES (1, 1, 1)")
    assert database.execute("SELECT consumer, entries, problem FROM lifecycle.capture_status()") == [
        ("a", 1, None),
        ("b", 1, None),
    ]
    rollback(database, database.value("SELECT max(migration_id) FROM lifecycle.migration"))
    assert database.dump(schema_only=True) == before


def test_left_by_an_earlier_installation(database):
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    database.execute("DROP EXTENSION pg_lifecycle")
    database.execute("INSERT INTO public.src VALUES (1, 1, 1)")
    assert database.value(f"SELECT count(*) FROM {QUEUE}") == 1, "it goes on without the extension"
    database.execute("CREATE EXTENSION pg_lifecycle")
    with refused("42710", f"DROP FUNCTION {QUEUE}() CASCADE and DROP TABLE {QUEUE}"):
        call(database, "start_capture", **T)
    database.execute(f"DROP FUNCTION {QUEUE}() CASCADE; DROP TABLE {QUEUE}")
    call(database, "start_capture", **T)


def test_without_a_journal(database):
    database.execute(PLAIN)
    call(database, "start_capture", **T)
    database.execute("TRUNCATE lifecycle.migration CASCADE")
    with refused("2BP01", "The journal does not know it", "DELETE FROM lifecycle.capture"):
        call(database, "drop_capture", **T)


def test_prepare_uninstall(database):
    database.execute(PARTITIONED)
    before = database.dump(schema_only=True)
    call(database, "start_capture", **T)
    call(
        database,
        "start_capture",
        target="public.src",
        consumer="other",
        trigger_level="row",
    )
    database.execute("CREATE TABLE public.src_3 PARTITION OF public.src FOR VALUES IN (3)")
    call(database, "sync_capture", target="public.src")
    database.execute("DROP TABLE public.src_3")
    call(database, "prepare_uninstall", dry_run=False)
    assert database.dump(schema_only=True) == before
