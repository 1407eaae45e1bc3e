"""What others may do to the tables while a conversion is under way: right afterwards, or refused, never wrong."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

TABLE = """
CREATE FUNCTION public.limit_of() RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 1000000';
CREATE FUNCTION public.fits(n int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT n < limit_of()';
CREATE TABLE public.t (id int PRIMARY KEY, region text NOT NULL, n int CHECK (fits(n)), u int NOT NULL,
    note text DEFAULT repeat('x', 60), CONSTRAINT t_u UNIQUE (u, region));
INSERT INTO public.t SELECT i, (ARRAY['eu', 'us'])[1 + i % 2], i, i FROM generate_series(1, 1000) AS i;
ANALYZE public.t;
"""
START = "SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend')"
ALL = "SELECT id, region, n, u, note FROM {} ORDER BY 1, 2"
STATE = "SELECT phase, rollback_possible FROM lifecycle.monitor_migration()"
# Rows change their place and their keys, unique values go from one row to another, the end of the table is cut off.
WRITES = (
    "UPDATE t SET n = n + 1 WHERE id % 10 = 0",
    "UPDATE t SET note = 'short' WHERE id < 500; VACUUM t",
    "UPDATE t SET note = repeat('y', 200) WHERE id % 3 = 0",
    "UPDATE t SET region = 'ap' WHERE id % 50 = 7",
    "UPDATE t SET id = id + 5000 WHERE id % 40 = 11 AND id < 5000",
    "UPDATE t SET u = u + 10000 WHERE id <= 100",
    "UPDATE t SET u = u - 101 WHERE id > 101 AND id <= 201",
    "DELETE FROM t WHERE id > 900 AND id < 2000; VACUUM t",
    "INSERT INTO t SELECT m + i, 'eu', i, m + i + 50000 FROM generate_series(1, 400) i, (SELECT max(id) m FROM t) s",
    "DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (5, 'us', 1, 60000)",
)


def slices(database, count=None):
    database.execute(f"CALL lifecycle.convert_data('t', 60{'' if count is None else f', max_batches => {count}'})")


def phase(database):
    return rows(database, STATE)[0][0]


def run(database, statements):
    for statement in statements.split(";"):
        database.execute(statement)


def test_rows_that_change_between_the_blocks(database):
    database.execute(TABLE)
    rows(database, START)
    for statement in WRITES:
        assert phase(database) == "copy"
        slices(database, 1)
        run(database, statement)
    slices(database)
    assert phase(database) == "ready"
    found = rows(database, "SELECT severity FROM lifecycle.post_migration_validation('t', 100)")
    assert {row[0] for row in found} == {"ok"}
    before = rows(database, ALL.format("t"))
    database.execute("CALL lifecycle.swap_tables('t')")
    assert rows(database, ALL.format("t")) == before
    for statement in WRITES:
        run(database, statement)
        slices(database, 1)
    before = rows(database, ALL.format("t"))
    call(database, "rollback_conversion", target="t", dry_run=False)
    assert rows(database, ALL.format("t")) == before


@pytest.mark.parametrize("what", ["VACUUM FULL t", "CLUSTER t USING t_pkey", "TRUNCATE t", "TRUNCATE t; VACUUM FULL t"])
@pytest.mark.parametrize("when", ["copy", "index", "ready"])
def test_all_rows_get_another_place(database, what, when):
    """Blocks that were read say nothing any more: from the beginning, into a table without indexes."""
    database.execute(TABLE)
    rows(database, START)
    slices(database, 2)
    while phase(database) != when:
        slices(database, 1)
    slices(database, 1)
    run(database, "DELETE FROM t WHERE id % 7 = 0; UPDATE t SET note = 'moved' WHERE id % 3 = 0")
    run(database, what)
    database.execute("INSERT INTO t SELECT i, 'ap', i, i FROM generate_series(2000, 2200) AS i")
    slices(database)
    begun_anew = any("the copy begins anew" in notice for notice in database.notices)
    assert begun_anew == ("TRUNCATE" in what or when == "copy")
    assert phase(database) == "ready"
    assert rows(database, ALL.format("t_partitioned")) == rows(database, ALL.format("t"))
    database.execute("CALL lifecycle.swap_tables('t')")
    indexes = {row[0] for row in rows(database, "SELECT indexname FROM pg_indexes WHERE tablename = 't'")}
    assert indexes == {"t_pkey", "t_u"}


@pytest.mark.parametrize(
    "what", ["TRUNCATE t", "TRUNCATE t_eu", "DELETE FROM t_eu WHERE id < 100", "UPDATE t_us SET n = 0"]
)
def test_partitions_are_written_after_the_swap(database, what):
    database.execute(TABLE)
    rows(database, START)
    slices(database)
    database.execute("CALL lifecycle.swap_tables('t')")
    run(database, what)
    database.execute("INSERT INTO t VALUES (3000, 'eu', 1, 3000)")
    before = rows(database, ALL.format("t"))
    call(database, "rollback_conversion", target="t", dry_run=False)
    assert rows(database, ALL.format("t")) == before


@pytest.mark.parametrize("what", ["ALTER TABLE t DETACH PARTITION t_eu", "DROP TABLE t_eu"])
def test_a_partition_that_goes_after_the_swap(database, what):
    """No trigger sees its rows go."""
    database.execute(TABLE)
    rows(database, START)
    slices(database)
    database.execute("CALL lifecycle.swap_tables('t')")
    before = rows(database, ALL.format("t"))
    database.execute(what)
    after = rows(database, ALL.format("t"))
    assert len(after) < len(before)
    with refused("55000", "cannot be r"):
        call(database, "rollback_conversion", target="t", dry_run=False)
