"""The fifteen pains that users of pg_partman report most, each with what happens here instead.

The numbers are those of its issues; docs/partitioning.md has the same list.
"""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, statuses

DAILY = (
    "SET timezone = 'UTC'; CREATE TABLE public.m (at date NOT NULL, id int, UNIQUE (at, id)) PARTITION BY RANGE (at);"
)
MANAGED = DAILY + "SELECT lifecycle.manage_partitions('public.m', '1 month', premake => 2);"
THIS_MONTH = "date_trunc('month', now())"


def month(ahead):
    """The first day of a month, so many from now, as SQL."""
    return f"({THIS_MONTH} + interval '{ahead} months')::date"


def ensure(place, **more):
    return call(place, "ensure_future_partitions", **more)


def made(steps):
    return sum(s.action == "attach partition" and s.status == "done" for s in steps)


def leaves(database, root="public.m"):
    return database.value("SELECT count(*) FROM pg_partition_tree(%s) WHERE isleaf", [root])


def failed(steps):
    return [s.note for s in steps if s.status == "failed"]


def old_partition(database, name="old", ago=14):
    database.execute(
        f"DO $$ BEGIN EXECUTE format('CREATE TABLE public.{name} PARTITION OF public.m FOR VALUES FROM (%L) TO (%L)',"
        f" {month(-ago)}, {month(1 - ago)}); END $$; INSERT INTO public.m SELECT {month(-ago)}, {ago}"
    )


def test_01_a_row_in_default_stops_all_future_partitions(database):
    """#510, #652, #620, #247, #623: only the partition it belongs to waits, and we make no default by ourselves."""
    database.execute(MANAGED + "CREATE TABLE public.rest PARTITION OF public.m DEFAULT")
    database.execute(f"INSERT INTO public.m VALUES ({month(1)}, 1)")
    done = ensure(database)
    assert made(done) == 2
    (note,) = failed(done)
    assert "23514: 1 rows of the default partition public.rest belong to the new partition" in note
    assert database.value("SELECT count(*) FROM public.m") == 1
    database.execute("DELETE FROM public.rest")
    assert made(ensure(database)) == 1
    database.execute("CREATE TABLE public.n (at date NOT NULL) PARTITION BY RANGE (at)")
    call(database, "manage_partitions", parent="public.n", every="1 month")
    ensure(database)
    assert database.value("SELECT partdefid FROM pg_partitioned_table WHERE partrelid = 'public.n'::regclass") == 0


def test_02_maintenance_queues_behind_a_long_query(database, session):
    """#359, #626, #604, #834: partitions are made beside a writer; what needs more gives up and says so."""
    database.execute(MANAGED + "SET lifecycle.lock_attempts = 1; SET lifecycle.lock_timeout = 50")
    old_partition(database)
    other = session(database, autocommit=False)
    other.run("SELECT * FROM public.m")
    other.run("UPDATE public.m SET id = 15")
    assert made(ensure(database)) == 3
    (row,) = call(database, "archive_old_partitions", months=3, dry_run=False)
    assert (row.status, row.note[:5]) == ("failed", "55P03")
    other.run("SELECT * FROM public.m")
    other.run("COMMIT")
    assert statuses(call(database, "archive_old_partitions", months=3, dry_run=False)) == ["done"]


def test_03_deadlocks_with_readers(database, session):
    """#32, #91, #796, #833: the parent comes first, nothing is waited for with a strong lock in hand."""
    database.execute(MANAGED + "SET lifecycle.lock_attempts = 1; SET lifecycle.lock_timeout = 50")
    old_partition(database)
    reader = session(database, autocommit=False)
    reader.run("SELECT * FROM public.old")  # the leaf first: the order that deadlocks with parent, then leaf
    (row,) = call(database, "archive_old_partitions", months=3, dry_run=False)
    assert (row.status, row.note[:5]) == ("failed", "55P03")
    reader.run("SELECT * FROM public.m")  # would wait for ever, or be killed, if anything were still held
    reader.run("COMMIT")


def test_04_one_broken_set_aborts_the_rest(database):
    """#421, #564, #732, #717, #860: it is a row with its SQLSTATE, the others are served."""
    database.execute(MANAGED + "CREATE TABLE public.n (at date NOT NULL) PARTITION BY RANGE (at)")
    call(database, "manage_partitions", parent="public.n", every="1 month", premake=2)
    database.execute(
        "CREATE FUNCTION public.deny() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity LIKE 'public.m\\_%') THEN"
        " RAISE EXCEPTION 'not in my database' USING ERRCODE = '28000'; END IF; END $$;"
        "CREATE EVENT TRIGGER deny ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.deny()"
    )
    done = ensure(database)
    assert "28000" in failed(done)[0]
    assert leaves(database, "public.n") == 3


def test_05_retention_removed_live_data(database):
    """#811, #696, #455, #776, #446: a span needs its unit, and only the real upper bound counts."""
    database.execute(MANAGED)
    for wrong in ("10", "90", "7"):
        with refused("22023", f"retention cannot be '{wrong}'", "24 months"):
            call(database, "manage_partitions", parent="public.m", every="1 month", retention=wrong)
    call(database, "manage_partitions", parent="public.m", every="1 month", retention="3 months")
    database.execute(
        f"DO $$ BEGIN EXECUTE format('CREATE TABLE public.wide PARTITION OF public.m FOR VALUES FROM (%L) TO (%L)',"
        f" '2000-01-01', {month(0)}); END $$; INSERT INTO public.m VALUES ({month(0)} - 1, 1)"
    )
    assert call(database, "archive_old_partitions", dry_run=False) == []
    assert call(database, "cleanup_empty_partitions", days=0) == []
    assert database.value("SELECT count(*) FROM public.m") == 1


def test_06_detach_concurrently(database):
    """#387, #614, #677, #800: a pending statement for \\gexec or for run_pending, with a way back."""
    database.execute(MANAGED)
    old_partition(database)
    (step,) = call(database, "detach_partition", target="public.old", online=True, dry_run=False)
    assert step.status == "pending"
    database.execute(database.value("SELECT statement FROM lifecycle.pending_steps()"))
    assert leaves(database) == 0
    database.execute("CALL lifecycle.run_pending()")
    rollback(database, step.migration_id)
    assert leaves(database) == 1


def test_07_time_zones_and_dst_shift_bounds(database):
    """#334, #367, #373, #740, #765, #865: the zone belongs to the set, whoever maintains it."""
    database.execute(
        "SET timezone = 'UTC'; CREATE TABLE public.m (at timestamptz NOT NULL) PARTITION BY RANGE (at);"
        "SELECT lifecycle.manage_partitions('public.m', '1 month', premake => 3, time_zone => 'Europe/Berlin');"
        "SELECT lifecycle.ensure_future_partitions(); SET timezone = 'America/New_York';"
        "SELECT lifecycle.manage_partitions('public.m', '1 month', premake => 12)"
    )
    assert failed(ensure(database)) == []
    assert leaves(database) == 13
    begins = (
        "SELECT DISTINCT to_char(to_timestamp(p.lower_place::float8) AT TIME ZONE 'Europe/Berlin', 'DD HH24:MI')"
        " FROM lifecycle._range_partitions(ARRAY['public.m'::regclass::oid]) AS p"
    )
    assert database.execute(begins) == [("01 00:00",)]
    assert database.execute("SELECT * FROM lifecycle.validate_partitions('public.m')") == []


def test_08_upgrade_scripts_broke(database):
    """#711, #712, #718, #754, #488: what is stored names things twice, and is there after a dump as before."""
    database.execute(MANAGED)
    old_partition(database)
    ensure(database)
    copy = database.empty()
    copy.execute("CREATE TABLE public.first_oid ()")
    database.server.restore(copy.name, database.server.dump(database.name))
    assert statuses(ensure(copy)) == ["skipped"]
    assert made(ensure(copy, months=4)) == 2
    assert statuses(call(copy, "archive_old_partitions", months=12)) == ["planned"]


def test_09_drain_a_huge_default(database):
    """#664, #822, #476, #353, #325: in slices of any size, and no row is hidden in between."""
    database.execute(MANAGED + "CREATE TABLE public.rest PARTITION OF public.m DEFAULT")
    database.execute(f"INSERT INTO public.m SELECT {month(0)} - n, n FROM generate_series(1, 90) AS n")
    for _ in range(100):
        state = database.value("SELECT lifecycle.drain_default_partition_step('public.m', batch_size => 7)")
        assert database.value("SELECT count(*) FROM public.m") == 90
        if not state or state.get("status") in ("done", "nothing to do", "idle"):
            break
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.m'::regclass") >= 4


def test_10_foreign_keys_against_retention(database):
    """#294, #365, #442, #471, #584, #767: found before anything is done; the others go."""
    database.execute(MANAGED)
    old_partition(database, "one", 14)
    old_partition(database, "two", 13)
    database.execute(
        "CREATE TABLE public.child (at date, id int, FOREIGN KEY (at, id) REFERENCES public.m (at, id));"
        "INSERT INTO public.child SELECT at, id FROM public.one"
    )
    shown = call(database, "archive_old_partitions", months=3)
    assert sorted(statuses(shown)) == ["failed", "planned"], "a dry run tells it as well"
    done = call(database, "archive_old_partitions", months=3, dry_run=False)
    assert "23503: rows of public.child refer to rows of public.one" in failed(done)[0]
    assert [s.object for s in done if s.status == "done"] == ["table public.two"]


def test_11_no_new_data_no_new_partitions(database):
    """#136, #193, #347, #385, #421: counted by the clock; an empty table is kept ahead like any other."""
    database.execute(MANAGED)
    assert made(ensure(database)) == 3
    assert database.value("SELECT count(*) FROM public.m") == 0
    assert made(ensure(database, months=5)) == 3


def test_12_one_far_future_row_makes_thousands(database):
    """#462, #213, #296: it makes none, and a call has a limit besides."""
    database.execute(MANAGED + "CREATE TABLE public.rest PARTITION OF public.m DEFAULT")
    database.execute("INSERT INTO public.m VALUES ('2999-12-31', 1)")
    assert made(ensure(database)) == 3
    assert made(ensure(database)) == 0
    assert ("warning", "the default partition is not empty") in database.execute(
        "SELECT severity, finding FROM lifecycle.validate_partitions('public.m')"
    )
    database.execute("CREATE TABLE public.n (at date NOT NULL) PARTITION BY RANGE (at)")
    call(database, "manage_partitions", parent="public.n", every="1 day", premake=1000)
    call(database, "manage_partitions", parent="public.m", every="1 month", premake=900)
    assert "left to the next call" in " ".join(filter(None, (s.note for s in ensure(database, max_creations=1))))


def test_13_templates_and_drift(database):
    """#785, #698, #674, #494, #269, #590: no template, INCLUDE columns and all; what drifts is told and mended."""
    database.execute(
        MANAGED + "ALTER TABLE public.m ADD COLUMN note text, ADD PRIMARY KEY (id, at) INCLUDE (note);"
        "SELECT lifecycle.ensure_future_partitions()"
    )
    leaf = database.value("SELECT min(relid::regclass::text) FROM pg_partition_tree('public.m') WHERE isleaf")
    key = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass AND contype = 'p'"
    assert database.value(key, [leaf]) == "PRIMARY KEY (id, at) INCLUDE (note)"
    database.execute(f"CREATE INDEX late ON ONLY public.m (note); ALTER TABLE {leaf} ALTER note SET STORAGE EXTERNAL")
    for _ in range(2):
        for (remedy,) in database.execute("SELECT remedy FROM lifecycle.validate_partitions('public.m')"):
            database.execute(remedy)
    assert database.execute("SELECT * FROM lifecycle.validate_partitions('public.m')") == []


def test_14_another_interval_for_a_live_set(database):
    """#841, #786, #30, #248: from the next boundary on; what stands stays."""
    database.execute(MANAGED)
    ensure(database)
    before = database.execute("SELECT relid::regclass::text FROM pg_partition_tree('public.m') WHERE isleaf ORDER BY 1")
    done = call(database, "change_partition_interval", target="public.m", every="1 week")
    assert "failed" not in statuses(done)
    assert made(ensure(database, months=4)) > 4
    after = database.execute("SELECT relid::regclass::text FROM pg_partition_tree('public.m') WHERE isleaf ORDER BY 1")
    assert set(before) < set(after)
    assert database.execute("SELECT * FROM lifecycle.validate_partitions('public.m')") == []
    rollback(database, done[0].migration_id, options='{"partition_rows": "keep"}', cascade=True)


@pytest.mark.parametrize("uuid", ["11111111-2222-4333-8444-555555555555"])
def test_15_hash_text_lists_hooks_and_coming_back(database, uuid):
    """#346, #483, #516, #68, #748, #426, #681, #307: all of them."""
    database.execute(
        "CREATE TABLE public.m (kind text, submission uuid, at date NOT NULL, id int) PARTITION BY LIST (kind);"
        "SELECT lifecycle.manage_partitions('public.m', premake => 1, levels => lifecycle.by_list('kind')"
        " || lifecycle.by_range('at', '1 month') || lifecycle.by_hash('submission', 2));"
        "SELECT lifecycle.precreate_partitions('public.m', '[\"it''s text\"]')"
    )
    assert leaves(database) == 4
    database.execute(f"INSERT INTO public.m VALUES ('it''s text', '{uuid}', now(), 1)")
    (parent, leaf) = database.execute(
        "SELECT i.inhparent::regclass::text, m.tableoid::regclass::text FROM public.m AS m"
        " JOIN pg_inherits AS i ON i.inhrelid = m.tableoid"
    )[0]
    assert leaf.startswith(parent)
    months = database.value("SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = %s::regclass", [parent])
    (step,) = call(database, "detach_partition", target=parent, dry_run=False)
    assert database.value("SELECT count(*) FROM public.m") == 0
    rollback(database, step.migration_id)
    assert database.value(f"SELECT count(*) FROM {months}") == 1
