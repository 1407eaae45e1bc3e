"""key_mode => 'leaf': a unique key without the partition keys stands on each partition, on those made later too."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

SCENE = """
CREATE TABLE public.t (id bigint PRIMARY KEY, at timestamptz NOT NULL, email text, "the code" text,
    CONSTRAINT "t's email" UNIQUE NULLS NOT DISTINCT (email), UNIQUE (id, at));
CREATE UNIQUE INDEX t_code ON public.t (lower("the code")) WHERE "the code" <> '';
CREATE INDEX t_at ON public.t (at);
INSERT INTO public.t SELECT i, '2024-01-05'::timestamptz + i * interval '1 day', 'e' || i, 'c' || i
FROM generate_series(1, 80) AS i;
"""
LEVELS = "lifecycle.by_range('at', '1 month')"
LEAF_KEYS = """
SELECT l.relid::regclass::text, array_agg(d.definition ORDER BY d.definition)::text
FROM pg_partition_tree('public.t') AS l JOIN pg_index AS i ON i.indrelid = l.relid AND i.indisunique AND i.indisvalid
CROSS JOIN LATERAL (SELECT regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', '') AS definition) AS d
WHERE l.isleaf GROUP BY 1
"""


def start(database, levels=LEVELS):
    """Up to the swap."""
    rows(database, f"SELECT * FROM lifecycle.start_conversion('public.t', {levels}, key_mode => 'leaf')")
    database.execute("CALL lifecycle.convert_data('public.t', 20)")


@pytest.fixture
def scene(database):
    """The table, converted."""
    database.execute(SCENE)
    start(database)
    database.execute("CALL lifecycle.swap_tables('public.t')")
    return database


def keys(database):
    """The unique keys of each partition, and how many partitions there are of each kind."""
    return {definitions for _, definitions in database.execute(LEAF_KEYS)}


def wrong(database):
    """What validate_partitions finds wrong."""
    return [f for f in rows(database, "SELECT * FROM lifecycle.validate_partitions('public.t')") if f[0] == "error"]


def test_there_and_back(database):
    database.execute(SCENE)
    dump = database.dump(schema_only=True)
    said = rows(
        database, f"SELECT severity, object, finding, detail FROM lifecycle.pre_migration_check('t', {LEVELS}, 'leaf')"
    )
    warned = {f[1]: f[3] for f in said if f[0] == "warning" and f[2] == "becomes unique only within each partition"}
    assert len(warned) == 3
    assert all("may then stand in several partitions, and ON CONFLICT" in detail for detail in warned.values())
    start(database)
    # Written between the copy and the swap: rows move between partitions, values between rows.
    database.execute(
        "UPDATE t SET at = at + interval '40 days' WHERE id % 7 = 0; DELETE FROM t WHERE id = 5;"
        "UPDATE t SET email = 'x' || email WHERE id IN (1, 2); UPDATE t SET email = 'e1' WHERE id = 2;"
        "INSERT INTO t VALUES (200, '2027-03-04', 'far', 'away'); UPDATE t SET id = 500 WHERE id = 10"
    )
    before = sorted(database.execute("SELECT * FROM t"))
    errors = [f for f in rows(database, "SELECT * FROM lifecycle.post_migration_validation('t')") if f[0] == "error"]
    assert errors == []
    database.execute("CALL lifecycle.swap_tables('t')")
    assert sorted(database.execute("SELECT * FROM t")) == before
    assert len(keys(database)) == 1
    assert wrong(database) == []
    indexes = database.execute("SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = 't'::regclass")
    assert len(indexes) == 2, indexes
    with refused("23505"):
        database.execute("INSERT INTO t SELECT 300, at, email, 'new' FROM t WHERE id = 20")
    with refused("42P10"):
        database.execute("INSERT INTO t VALUES (1, '2024-01-05', 'n', 'n') ON CONFLICT (id) DO NOTHING")
    database.execute("UPDATE t SET email = 'back' WHERE id = 30")
    after = sorted(database.execute("SELECT * FROM t"))
    call(database, "rollback_conversion", target="t", dry_run=False)
    assert sorted(database.execute("SELECT * FROM t")) == after
    assert database.dump(schema_only=True) == dump
    assert database.value("SELECT count(*) FROM lifecycle.partition_leaf_key") == 0


def test_later_partitions(scene):
    expected = keys(scene)
    call(scene, "finish_conversion", target="t", dry_run=False)
    call(scene, "create_partition", parent="t", lower_bound="2030-01-01", upper_bound="2030-02-01")
    call(scene, "ensure_future_partitions", months=9, target="t")
    call(scene, "create_monthly_partition", parent="t", year=2031, month=5)
    scene.execute("CREATE TABLE t_own (LIKE t INCLUDING ALL)")
    call(scene, "attach_partition", parent="t", detached="t_own", lower_bound="2032-01-01", upper_bound="2033-01-01")
    call(scene, "split_partition", target="t_own", every="3 months")
    scene.execute("CALL lifecycle.rewrite_partitions('t')")
    # In the background too, where a partition finds its rows by the key.
    scene.execute("SELECT lifecycle.set_setting('partition_rewrite_at_once', '0')")
    first = scene.execute("SELECT relid::regclass::text FROM pg_partition_tree('t') WHERE isleaf ORDER BY 1 LIMIT 2")
    call(scene, "merge_partitions", partitions="{" + ",".join(row[0] for row in first) + "}")
    scene.execute("CALL lifecycle.rewrite_partitions('t')")
    assert keys(scene) == expected
    assert wrong(scene) == []


def test_the_missing_one_is_found_and_mended(scene):
    leaf = scene.value("SELECT min(relid::regclass::text) FROM pg_partition_tree('t') WHERE isleaf")
    name = scene.value(
        f"SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = '{leaf}'::regclass AND contype = 'p'"
    )
    scene.execute(f"ALTER TABLE {leaf} DROP CONSTRAINT {name}")
    (found,) = wrong(scene)
    assert found[1:4] == (f"table public.{leaf}", "lacks a key of its siblings", "key t_pkey")
    scene.execute(found[4])
    assert wrong(scene) == []
    for (relation,) in scene.execute("SELECT relid::regclass::text FROM pg_partition_tree('t') WHERE isleaf"):
        name = scene.value(
            f"SELECT quote_ident(conname) FROM pg_constraint WHERE conrelid = '{relation}'::regclass AND contype = 'p'"
        )
        scene.execute(f"ALTER TABLE {relation} DROP CONSTRAINT {name}")
    assert [f[2] for f in wrong(scene)] == ["no partition has a key that each ought to have"]


def test_no_way_back_with_two_of_a_key(scene):
    scene.execute("INSERT INTO t VALUES (1, '2024-03-20', 'other', 'other')")
    state = rows(scene, "SELECT rollback_possible, last_error FROM lifecycle.monitor_migration()")
    assert state[0][0] is False
    assert "two rows have the same (id)" in state[0][1]
    with refused("55000", "cannot be rolled back"):
        call(scene, "rollback_conversion", target="t", dry_run=False)
    scene.execute("DELETE FROM t WHERE email = 'other'")
    call(scene, "rollback_conversion", target="t", dry_run=False)
    assert scene.value("SELECT count(*) FROM t") == 80


def test_truncate_begins_anew(database):
    database.execute(SCENE)
    start(database)
    database.execute("CREATE TABLE kept AS TABLE t; TRUNCATE t; INSERT INTO t SELECT * FROM kept WHERE id > 3")
    database.execute("CALL lifecycle.convert_data('t', 20)")
    database.execute("CALL lifecycle.swap_tables('t')")
    assert database.value("SELECT count(*) FROM t") == 77
    assert wrong(database) == []
    assert len(keys(database)) == 1


def test_levels(database):
    """A new subtree gets the keys too."""
    database.execute(SCENE + "ALTER TABLE t ADD COLUMN program_id int NOT NULL DEFAULT 1")
    start(database, "lifecycle.by_list('program_id') || " + LEVELS)
    database.execute("CALL lifecycle.swap_tables('t')")
    rows(database, "SELECT * FROM lifecycle.precreate_partitions('t', '[7]')")
    assert database.value("SELECT count(*) FROM pg_partition_tree('t') WHERE relid::text ~ '7' AND isleaf") > 0
    assert len(keys(database)) == 1
    assert wrong(database) == []


def test_replica_identity(database):
    database.execute(
        SCENE + "ALTER TABLE t ALTER email SET NOT NULL; CREATE UNIQUE INDEX i ON t (email);"
        "ALTER TABLE t REPLICA IDENTITY USING INDEX i"
    )
    with refused("0A000", "is the replica identity and would be a key of each partition"):
        start(database)
