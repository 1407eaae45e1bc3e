"""The way back after the swap: nothing is lost in small batches, and what cannot go back is known at once.

No foreign key is scanned under a lock that stops writers, neither there nor back.
"""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rows

TABLE = """
CREATE TABLE public.t (id int PRIMARY KEY, region text NOT NULL, v text);
INSERT INTO public.t SELECT i, (ARRAY['eu', 'us'])[1 + i % 2], 'v' || i FROM generate_series(1, 20) AS i;
ANALYZE public.t;
"""


@pytest.fixture
def swapped(database):
    """A table of two partitions, just swapped."""
    database.execute(TABLE)
    database.execute("SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend')")
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("CALL lifecycle.swap_tables('t')")
    return database


def step(database, size):
    return rows(database, "SELECT remaining, rollback_possible FROM lifecycle.convert_step('t', %s, 0)", [size])[0]


def contents(database):
    return sorted(database.execute("SELECT * FROM t"))


def test_a_row_that_moved_survives_any_cut_of_the_queue(swapped):
    """Each move is two entries; whichever comes first, and alone, the row stays."""
    for number in range(1, 11):
        region = "us" if number % 2 == 0 else "eu"
        swapped.execute("UPDATE t SET region = %s, v = 'moved' WHERE id = %s", [region, number])
        swapped.execute("UPDATE t SET region = 'us' WHERE id = %s", [number])
    swapped.execute("UPDATE t SET id = id + 100 WHERE id > 15")
    expected = contents(swapped)
    for _ in range(100):
        if step(swapped, 1)[0] is None:
            break
    assert contents(swapped) == expected
    call(swapped, "rollback_conversion", target="t", dry_run=False)
    assert contents(swapped) == expected


def told(place):
    return rows(place, "SELECT rollback_possible, last_error FROM lifecycle.monitor_migration()")[0]


def test_it_is_told_before_anything_is_replayed(database, roles):
    """The moment that such a row is committed; also by another unique key, and not to those who may not look."""
    database.execute(TABLE + "ALTER TABLE t ADD CONSTRAINT t_v UNIQUE (v)")
    database.execute("SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend')")
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("CALL lifecycle.swap_tables('t')")
    watcher = roles("watcher")
    call(database, "grant_lifecycle_use", role_name=watcher)
    database.execute("UPDATE t SET region = 'us' WHERE id < 5")
    assert told(database) == (True, None)
    database.execute("INSERT INTO t VALUES (1, 'eu', 'second')")
    possible, reason = told(database)
    assert not possible
    assert "two rows have the same (id)" in reason
    assert told(database.connect(watcher)) == (True, None)
    with refused("55000", "cannot be rolled back", "the same (id)"):
        call(database, "rollback_conversion", target="t")
    database.execute("DELETE FROM t WHERE v = 'second'; INSERT INTO t VALUES (99, 'eu', 'v2')")
    assert "two rows have the same (v)" in told(database)[1]
    database.execute("DELETE FROM t WHERE id = 99")
    assert told(database) == (True, None)


def test_a_second_row_with_the_same_old_key_is_told_at_once(swapped):
    """The wider key allows it, the old table does not: no row is given up for the other."""
    swapped.execute(
        "INSERT INTO t SELECT id, CASE region WHEN 'eu' THEN 'us' ELSE 'eu' END, 'second' FROM t WHERE id = 1"
    )
    expected = contents(swapped)
    assert len(expected) == 21
    with pytest.raises(psycopg.errors.UniqueViolation):
        swapped.execute("CALL lifecycle.convert_data('t')")
    ((possible, reason),) = rows(swapped, "SELECT rollback_possible, last_error FROM lifecycle.monitor_migration()")
    assert not possible
    assert "rollback is impossible" in reason
    with refused("55000", "cannot be rolled back"):
        call(swapped, "rollback_conversion", target="t", dry_run=False)
    assert contents(swapped) == expected
    swapped.execute("DELETE FROM t WHERE v = 'second'")
    assert step(swapped, 100) == (None, True)
    call(swapped, "rollback_conversion", target="t", dry_run=False)
    assert len(contents(swapped)) == 20


@pytest.mark.parametrize(
    ("there", "back", "names"),
    [
        ("ADD COLUMN extra int DEFAULT 4", "DROP COLUMN extra", "extra integer"),
        ("RENAME COLUMN v TO w", "RENAME COLUMN w TO v", "w text"),
        ("ALTER COLUMN v TYPE varchar(200)", "ALTER COLUMN v TYPE text", "v character varying(200)"),
    ],
    ids=["added", "renamed", "type"],
)
def test_a_column_that_the_old_table_has_not(swapped, there, back, names):
    """The way back would lose what is in it, and drop the table that has it."""
    swapped.execute(f"ALTER TABLE t {there}")
    assert told(swapped)[0] is False
    assert names in told(swapped)[1]
    for dry_run in (True, False):
        with refused("55000", "cannot be rolled back", names):
            call(swapped, "rollback_conversion", target="t", dry_run=dry_run)
    swapped.execute(f"ALTER TABLE t {back}; ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED")
    expected = sorted(swapped.execute("SELECT id, region, v FROM t"))
    assert told(swapped) == (True, None)
    call(swapped, "rollback_conversion", target="t", dry_run=False)
    assert contents(swapped) == expected


KEYS = """
CREATE TABLE public.site (name text PRIMARY KEY);
INSERT INTO public.site VALUES ('eu'), ('us');
CREATE TABLE public.part (id int NOT NULL, day int NOT NULL, t_id int, region text) PARTITION BY LIST (day);
CREATE TABLE public.part_1 PARTITION OF public.part FOR VALUES IN (1);
CREATE TABLE public.part_2 PARTITION OF public.part FOR VALUES IN (2);
CREATE TABLE public.child (t_id int, region text);
ALTER TABLE public.t ADD CONSTRAINT t_all UNIQUE (id, region);
ALTER TABLE public.t ADD CONSTRAINT t_site FOREIGN KEY (region) REFERENCES public.site;
ALTER TABLE public.part ADD CONSTRAINT part_t FOREIGN KEY (t_id, region) REFERENCES public.t (id, region);
COMMENT ON CONSTRAINT part_t ON public.part IS 'of a partitioned table';
ALTER TABLE public.child ADD CONSTRAINT child_t FOREIGN KEY (t_id, region) REFERENCES public.t (id, region);
INSERT INTO public.part SELECT id, 1 + id % 2, id, region FROM public.t;
INSERT INTO public.child SELECT id, region FROM public.t;
"""
OPEN = "SELECT remaining FROM lifecycle.monitor_migration()"
LEFT = "foreign keys to validate: CALL lifecycle.run_pending()"
UNCHECKED = """
SELECT conrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND conparentid = 0 AND NOT convalidated AND connamespace = 'public'::regnamespace ORDER BY 1
"""


@pytest.fixture
def bound(database):
    """A table with foreign keys from it, and to it from a plain and from a partitioned table, just swapped."""
    database.execute(TABLE + KEYS)
    schema = database.dump(schema_only=True)
    database.execute("SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend')")
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("CALL lifecycle.swap_tables('t')")
    return database, schema


def column(place, query):
    return [value for (value,) in rows(place, query)]


def test_keys_are_checked_behind_the_swap(bound):
    """Each leaf gets the key unchecked, a partitioned table adopts them; leaves made meanwhile are no exception."""
    database, _ = bound
    assert set(column(database, UNCHECKED)) == {"t_eu", "t_us", "part_1", "part_2", "child"}
    database.execute("CREATE TABLE part_3 PARTITION OF part FOR VALUES IN (3)")
    database.execute("CREATE TABLE t_ap PARTITION OF t FOR VALUES IN ('ap')")
    call(database, "sync_capture", target="t")
    for statement in ("INSERT INTO part VALUES (1, 1, 99, 'eu')", "DELETE FROM t WHERE id = 1"):
        with refused("23503"):
            database.execute(statement)
    database.execute("CALL lifecycle.convert_data('t')")
    assert column(database, UNCHECKED) == []
    roots = "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f' AND conparentid = 0 ORDER BY 1"
    assert {"child", "part", "t"} <= set(column(database, roots))
    assert not {"t_eu", "t_ap", "part_1", "part_3"} & set(column(database, roots))
    with refused("23503"):
        database.execute("INSERT INTO part VALUES (1, 3, 99, 'eu')")
    with refused("23503"):
        database.execute("INSERT INTO t VALUES (99, 'ap')")
    database.execute("DROP TABLE part_3")
    call(database, "rollback_conversion", target="t", dry_run=False)
    assert set(column(database, UNCHECKED)) == {"t", "part_1", "part_2", "child"}
    assert column(database, OPEN) == [LEFT]
    with refused("23503"):
        database.execute("INSERT INTO part VALUES (1, 1, 99, 'eu')")
    database.execute("CALL lifecycle.run_pending()")
    assert column(database, OPEN) == [None]
    assert column(database, UNCHECKED) == []


def test_back_before_they_are_checked(bound):
    database, schema = bound
    shown = call(database, "rollback_conversion", target="t")
    done = call(database, "rollback_conversion", target="t", dry_run=False, expected_plan=shown[0].plan_hash)
    assert [step.statement for step in done] == [step.statement for step in shown]
    assert {step.status for step in shown} == {"planned"}
    assert {step.status for step in done if step.stage > 1} == {"pending"}
    found = rows(database, "SELECT statement FROM lifecycle.pending_steps()")
    assert found == [(step.statement,) for step in done if step.stage > 1]
    assert any("steps pending: 5, CALL lifecycle.run_pending(" in notice for notice in database.notices)
    database.execute("CALL lifecycle.run_pending()")
    assert database.dump(schema_only=True) == schema


def test_neighbours_go_and_change_their_names(bound):
    """What was dropped since keeps nobody from the way back; what has another name gets its key back."""
    database, _ = bound
    database.execute('CREATE TABLE part_3 PARTITION OF part FOR VALUES IN (3); ALTER TABLE part RENAME TO "Or der"')
    database.execute("DROP TABLE child")
    done = call(database, "rollback_conversion", target="t", dry_run=False)
    assert [step.note for step in done if step.object.endswith("on public.child")] == ["the table is gone"]
    assert set(column(database, UNCHECKED)) == {"t", "part_1", "part_2", "part_3"}
    # Before its key is validated.
    database.execute("DROP TABLE part_2")
    database.execute("CALL lifecycle.run_pending()")
    assert column(database, UNCHECKED) == []
    found = "SELECT obj_description(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid::regclass::text = %s"
    assert database.value(found, ['"Or der"']) == "of a partitioned table"
    with refused("23503"):
        database.execute("INSERT INTO \"Or der\" VALUES (1, 3, 99, 'eu')")


def test_a_scan_stops_no_writer(bound, session, observer):
    """The scan waits for a session that keeps everybody from the referenced table; who writes the other one goes on."""
    database, schema = bound
    call(database, "rollback_conversion", target="t", dry_run=False)
    gate, checker, writer = (session(database, name=name, autocommit=False) for name in ("gate", "checker", "writer"))
    gate.run("LOCK TABLE site IN EXCLUSIVE MODE")
    checker.run("SET lifecycle.lock_attempts = 1000")
    checker.start("SELECT * FROM lifecycle.run_pending_stage()")
    assert observer.settle(checker, [gate]) == "blocked"
    assert observer.settle(writer.start("UPDATE t SET v = 'meanwhile' WHERE id = 1"), [checker]) == "done"
    assert observer.settle(checker, [gate]) == "blocked"
    # Killed: nothing is validated, nothing is lost.
    observer.terminate(checker)
    writer.run("ROLLBACK")
    assert column(database, OPEN) == [LEFT]
    # Control: with the key added in one go he would have to wait.
    adder = session(database, name="adder", autocommit=False)
    adder.start("ALTER TABLE t ADD CONSTRAINT control FOREIGN KEY (region) REFERENCES site")
    assert observer.settle(adder, [gate]) == "blocked"
    assert observer.settle(writer.start("UPDATE t SET v = 'meanwhile' WHERE id = 1"), [adder]) == "blocked"
    observer.terminate(adder)
    writer.result()
    writer.run("COMMIT")
    gate.run("COMMIT")
    database.execute("CALL lifecycle.run_pending()")
    assert column(database, OPEN) == [None]
    assert database.dump(schema_only=True) == schema


def test_a_row_that_breaks_a_dropped_key(database):
    """Where the key was dropped for the new table, the way back tells what came in meanwhile instead of failing."""
    database.execute(TABLE + "CREATE TABLE c (t_id int CONSTRAINT c_t REFERENCES t)")
    database.execute(
        "SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend', "
        "foreign_key_mode => 'drop')"
    )
    database.execute("CALL lifecycle.convert_data('t')")
    database.execute("CALL lifecycle.swap_tables('t')")
    database.execute("INSERT INTO c VALUES (99)")
    call(database, "rollback_conversion", target="t", dry_run=False)
    with pytest.raises(psycopg.Error, match="c_t"):
        database.execute("CALL lifecycle.run_pending()")
    assert column(database, OPEN) == [LEFT]
    database.execute("DELETE FROM c")
    database.execute("CALL lifecycle.run_pending()")
    assert column(database, OPEN) == [None]
