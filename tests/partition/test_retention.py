"""Old partitions go by their real upper bound: detached, kept for a while, dropped; until then they come back."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, statuses


@pytest.fixture
def metrics(database):
    """A managed set with a wide first partition and a policy that keeps three months."""
    database.execute(
        "SET timezone = 'UTC';"
        " CREATE TABLE public.m (at date NOT NULL, id int, UNIQUE (at, id)) PARTITION BY RANGE (at)"
    )
    database.execute(
        "CREATE TABLE public.m_wide PARTITION OF public.m FOR VALUES FROM (MINVALUE) TO (current_date - 30)"
    )
    database.execute("SELECT lifecycle.manage_partitions('public.m', '1 month', retention => '3 months')")
    return database


def old(database, *months):
    """Partitions that began so many months ago."""
    database.execute("DROP TABLE IF EXISTS public.m_wide")
    for ago in months:
        first = f"(date_trunc('month', current_date) - interval '{ago} months')::date"
        database.execute(
            f"DO $$ BEGIN EXECUTE format('CREATE TABLE public.m_{ago} PARTITION OF public.m FOR VALUES"
            " FROM (%L) TO (%L)',"
            f" {first}, ({first} + interval '1 month')::date); END $$; INSERT INTO public.m SELECT {first} + 3, {ago}"
        )


def names(database):
    return [
        n
        for (n,) in database.execute(
            "SELECT relid::regclass::text FROM pg_partition_tree('public.m') WHERE isleaf ORDER BY 1"
        )
    ]


def archive(place, **more):
    return call(place, "archive_old_partitions", **({"dry_run": False} | more))


def test_only_planned_by_default(metrics):
    old(metrics, 5, 4)
    before = metrics.dump()
    assert statuses(call(metrics, "archive_old_partitions", months=3)) == ["planned"] * 2
    assert metrics.dump() == before


def test_by_real_upper_bound(metrics):
    # began long ago, ends thirty days ago: not older than three months
    assert archive(metrics) == []
    assert names(metrics) == ["m_wide"]
    old(metrics, 14, 5, 4, 2, 1)
    done = archive(metrics)
    assert statuses(done) == ["done"] * 3
    assert names(metrics) == ["m_1", "m_2"]
    assert metrics.execute("SELECT count(*) FROM public.m_14") == [(1,)]
    assert archive(metrics) == []


def test_they_come_back(metrics):
    old(metrics, 14, 5, 1)
    before = metrics.dump(schema_only=True)
    done = archive(metrics, months=2)
    assert statuses(rollback(metrics, done[0].migration_id)) == ["done"] * 2
    assert metrics.dump(schema_only=True) == before
    assert metrics.execute("SELECT count(*) FROM public.m") == [(3,)]


def test_into_another_schema_and_back(metrics):
    metrics.execute("CREATE SCHEMA cold")
    old(metrics, 14, 1)
    before = metrics.dump(schema_only=True)
    done = archive(metrics, into_schema="cold")
    assert metrics.execute("SELECT count(*) FROM cold.m_14") == [(1,)]
    rollback(metrics, done[0].migration_id)
    assert metrics.dump(schema_only=True) == before
    with refused("3F000", "schema warm does not exist"):
        archive(metrics, into_schema="warm")


def test_dropped_after_the_grace_period_only(metrics):
    old(metrics, 14, 5, 1)
    archive(metrics)
    assert call(metrics, "drop_archived_partitions", dry_run=False) == []
    shown = call(metrics, "drop_archived_partitions", older_than="0")
    assert [(s.status, s.object, s.statement) for s in shown] == [
        ("planned", "2 tables of public.m", "DROP TABLE public.m_14, public.m_5")
    ]
    assert statuses(call(metrics, "drop_archived_partitions", older_than="0", dry_run=False)) == ["done"]
    assert metrics.execute("SELECT to_regclass('public.m_14'), to_regclass('public.m_5')") == [(None, None)]
    assert names(metrics) == ["m_1"]
    with refused("22023"):
        call(metrics, "drop_archived_partitions", older_than="-1 day")


def test_what_is_referred_to_stays(metrics):
    old(metrics, 14, 5, 1)
    metrics.execute(
        "CREATE TABLE public.child (at date, id int, FOREIGN KEY (at, id) REFERENCES public.m (at, id));"
        " INSERT INTO public.child SELECT at, id FROM public.m WHERE id = 14"
    )
    done = archive(metrics)
    assert sorted(statuses(done)) == ["done", "failed"]
    assert "23503" in next(s.note for s in done if s.status == "failed")
    assert names(metrics) == ["m_1", "m_14"]
    with refused("23503", "rows of public.child refer to rows of public.m_14"):
        call(metrics, "detach_partition", target="public.m_14")


def test_detach_and_attach(metrics):
    old(metrics, 5, 1)
    (step,) = call(metrics, "detach_partition", target="public.m_5", dry_run=False)
    assert step.status == "done"
    assert names(metrics) == ["m_1"]
    bounds = metrics.execute(
        "SELECT parameters ->> 'bounds' FROM lifecycle.migration WHERE migration_id = %s",
        [step.migration_id],
    )[0][0]
    lower, upper = bounds.split("'")[1::2]
    asked = {
        "parent": "public.m",
        "detached": "public.m_5",
        "lower_bound": lower,
        "upper_bound": upper,
    }
    assert statuses(call(metrics, "attach_partition", **asked)) == ["done"]
    assert statuses(call(metrics, "attach_partition", **asked)) == ["skipped"]
    assert names(metrics) == ["m_1", "m_5"]
    with refused("42809", "public.m is no partition"):
        call(metrics, "detach_partition", target="public.m")


def test_what_it_refuses(metrics):
    with refused("22023", "months must be between 1 and 12000"):
        archive(metrics, months=0)
    metrics.execute("CREATE TABLE public.other (at date) PARTITION BY RANGE (at)")
    with refused("55000", "has no policy"):
        archive(metrics, target="public.other")


def test_statistics_of_all(metrics):
    old(metrics, 5, 1)
    rows = metrics.execute("SELECT partition_name, status FROM lifecycle.analyze_all_partitions()")
    assert ("m", "analyzed") in rows
    assert {status for _, status in rows} == {"analyzed"}
    assert metrics.execute(
        "SELECT reltuples FROM pg_class WHERE oid IN ('public.m'::regclass, 'public.m_5'::regclass) ORDER BY 1"
    ) == [(1,), (2,)]
    found = metrics.execute(
        "SELECT partition_name, row_estimate, last_analyze IS NOT NULL FROM lifecycle.v_partition_stats ORDER BY 1"
    )
    assert [row[:2] for row in found] == [("m_1", 1), ("m_5", 1)]


HOOK = """
CREATE TABLE public.exported (name text, n bigint);
CREATE FUNCTION public.export(target regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_rows bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s', target) INTO v_rows;
    INSERT INTO exported VALUES (target::text, v_rows);
    IF target::text LIKE '%m_5' THEN
        RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full';
    END IF;
END
$$;
"""


def test_a_hook_before_drop_whose_failure_keeps_the_partition(metrics):
    old(metrics, 14, 6, 5, 1)
    archive(metrics)
    metrics.execute(HOOK)
    asked = {"older_than": "0", "before_drop": "public.export(regclass)"}
    shown = call(metrics, "drop_archived_partitions", **asked)
    assert statuses(shown) == ["planned"] * 6
    done = call(metrics, "drop_archived_partitions", **asked, dry_run=False, expected_plan=shown[0].plan_hash)
    assert statuses(done).count("failed") == 1
    assert next(s.object for s in done if s.status == "failed") == "table public.m_5"
    assert "53100: step 1, call before drop of table public.m_5: the disk is full" in next(
        s.note for s in done if s.status == "failed"
    )
    assert metrics.execute("SELECT * FROM public.exported ORDER BY 1") == [("m_14", 1), ("m_6", 1)]
    there = "SELECT to_regclass('public.m_14'), to_regclass('public.m_6'), to_regclass('public.m_5')::text"
    assert metrics.execute(there) == [(None, None, "m_5")]
    metrics.execute("CREATE VIEW public.rests AS SELECT * FROM public.m_5")
    (kept,) = call(metrics, "drop_archived_partitions", older_than="0", dry_run=False)
    assert (kept.status, kept.note[:5]) == ("failed", "2BP01")
    with refused("22023", "cannot be called before a partition is dropped"):
        call(metrics, "drop_archived_partitions", before_drop="pg_catalog.abs(integer)")


def test_dropped_at_once(metrics, session):
    """Without a grace period: in one statement, and each by itself when that fails."""
    old(metrics, 14, 6, 5, 1)
    shown = call(metrics, "drop_old_partitions")
    assert [(s.status, s.object) for s in shown] == [("planned", "3 tables of public.m")]
    metrics.execute("CREATE VIEW public.rests AS SELECT * FROM public.m_6")
    done = call(metrics, "drop_old_partitions", dry_run=False, expected_plan=shown[0].plan_hash)
    assert [(s.object, s.status) for s in done] == [
        ("table public.m_14", "done"),
        ("table public.m_6", "failed"),
        ("table public.m_5", "done"),
    ]
    assert done[1].note.startswith("2BP01")
    metrics.execute("DROP VIEW public.rests")
    reader = session(metrics, autocommit=False)
    reader.run("SELECT count(*) FROM public.m_6")
    metrics.execute("SET lifecycle.lock_attempts = 1; SET lifecycle.lock_timeout = 50")
    (kept,) = call(metrics, "drop_old_partitions", dry_run=False)
    assert (kept.status, kept.note[:5]) == ("failed", "55P03")
    reader.run("COMMIT")
    assert statuses(call(metrics, "drop_old_partitions", dry_run=False)) == ["done"]
    assert names(metrics) == ["m_1"]
    with refused("22023", "months must be between 1 and 12000"):
        call(metrics, "drop_old_partitions", months=0)
    with refused("55000", "has no policy"):
        call(metrics, "drop_old_partitions", target="pg_catalog.pg_class")


def test_dropped_at_once_through_a_hook_and_beside_references(metrics):
    old(metrics, 14, 6, 5, 1)
    metrics.execute(HOOK)
    metrics.execute(
        "CREATE TABLE public.child (at date, id int, FOREIGN KEY (at, id) REFERENCES public.m (at, id));"
        " INSERT INTO public.child SELECT at, id FROM public.m WHERE id = 14"
    )
    done = call(metrics, "drop_old_partitions", before_drop="public.export(regclass)", dry_run=False)
    assert sorted((s.object, s.status) for s in done) == [
        ("table public.m_14", "failed"),
        ("table public.m_5", "failed"),
        ("table public.m_6", "done"),
        ("table public.m_6", "done"),
    ]
    assert "23503: rows of public.child refer to rows of public.m_14" in done[0].note
    assert names(metrics) == ["m_1", "m_14", "m_5"]


@pytest.mark.parametrize("routine", ["archive_old_partitions", "drop_old_partitions"])
def test_who_reads_one_keeps_that_one(metrics, session, routine):
    old(metrics, 14, 6, 5, 1)
    reader = session(metrics, autocommit=False)
    reader.run("SELECT count(*) FROM public.m_6")
    metrics.execute("SET lifecycle.lock_attempts = 1; SET lifecycle.lock_timeout = 50")
    done = call(metrics, routine, dry_run=False)
    assert [(s.object, s.note[:5]) for s in done if s.status == "failed"] == [("table public.m_6", "55P03")]
    assert f"process {reader.pid} holds AccessShareLock" in done[0].note
    assert names(metrics) == ["m_1", "m_6"]


@pytest.mark.parametrize("routine", ["archive_old_partitions", "drop_old_partitions"])
def test_one_that_got_other_bounds_meanwhile_stays(metrics, session, observer, routine):
    """Chosen as old, then attached anew by who held the lock: its rows are new now."""
    old(metrics, 14, 5, 1)
    other, ours = session(metrics, autocommit=False), session(metrics)
    other.run(
        "ALTER TABLE public.m DETACH PARTITION public.m_5; DELETE FROM public.m_5;"
        "ALTER TABLE public.m ATTACH PARTITION public.m_5 FOR VALUES FROM ('2990-01-01') TO ('2991-01-01');"
        "INSERT INTO public.m VALUES ('2990-05-05', 5)"
    )
    ours.start(f"SELECT object, status, left(note, 5) FROM lifecycle.{routine}(dry_run => false)")
    assert observer.settle(ours, [other]) == "blocked"
    other.run("COMMIT")
    done = ours.result()
    assert ("table public.m_5", "failed", "55000") in done
    assert names(metrics) == ["m_1", "m_5"]
    assert metrics.value("SELECT count(*) FROM public.m WHERE at > '2990-01-01'") == 1


def test_one_that_came_back_meanwhile_is_not_dropped(metrics, session, observer):
    old(metrics, 5, 1)
    archive(metrics)
    other, ours = session(metrics, autocommit=False), session(metrics)
    other.run("DELETE FROM public.m_5")
    other.run("ALTER TABLE public.m ATTACH PARTITION public.m_5 FOR VALUES FROM ('2990-01-01') TO ('2991-01-01')")
    ours.start("SELECT object, status FROM lifecycle.drop_archived_partitions(older_than => '0', dry_run => false)")
    assert observer.settle(ours, [other]) == "blocked"
    other.run("COMMIT")
    assert ours.result() == []
    assert names(metrics) == ["m_1", "m_5"]


def test_hostile_names(database):
    """Quotes, commas and percent signs in the names of schemas, tables and partitions."""
    schema, parent, part = '"s\'; %s"', '"p, ""q"" %I"', '"l\', x; --{}"'
    cold = "co'ld \"%s"
    database.execute(f'CREATE SCHEMA {schema}; CREATE SCHEMA "co\'ld ""%s"')
    database.execute(f'CREATE TABLE {schema}.{parent} ("d\'" date) PARTITION BY RANGE ("d\'")')
    for year in range(2000, 2006):
        database.execute(
            f"CREATE TABLE {schema}.{part.format(year)} PARTITION OF {schema}.{parent}"
            f" FOR VALUES FROM ('{year}-01-01') TO ('{year + 1}-01-01')"
        )
    asked = "SELECT count(*) FROM lifecycle.manage_partitions(%s, '1 year', retention => '1 year')"
    database.execute(asked, [f"{schema}.{parent}"])
    done = call(database, "archive_old_partitions", max_partitions=2, into_schema=cold, dry_run=False)
    assert statuses(done) == ["done", "done", "skipped"]
    assert statuses(call(database, "drop_archived_partitions", older_than="0", dry_run=False)) == ["done"]
    assert statuses(call(database, "drop_old_partitions", dry_run=False)) == ["done"]
    assert database.value("SELECT count(*) FROM pg_class WHERE relname LIKE 'l%%--20%%'") == 0


def test_a_call_leaves_the_rest_to_the_next(metrics):
    old(metrics, 14, 6, 5, 1)
    metrics.execute(
        "CREATE OR REPLACE FUNCTION lifecycle._changes_per_call() RETURNS integer LANGUAGE sql STABLE"
        " SET search_path = pg_catalog, pg_temp AS 'SELECT 2'"
    )
    assert statuses(call(metrics, "archive_old_partitions", max_partitions=1)) == ["planned", "skipped"]
    with refused("22023", "max_partitions must be at least 1"):
        call(metrics, "archive_old_partitions", max_partitions=0)
    done = call(metrics, "archive_old_partitions", dry_run=False)
    assert statuses(done) == ["done", "done", "skipped"]
    assert done[-1].note == "left to the next call: 2 partitions are enough for one"
    assert statuses(call(metrics, "archive_old_partitions", dry_run=False)) == ["done"]
    for tables in ("2 tables of public.m", "table public.m_5"):
        (dropped,) = call(metrics, "drop_archived_partitions", older_than="0", dry_run=False)
        assert dropped.object == tables
    old(metrics, 14, 6, 5)
    assert [s.status for s in call(metrics, "drop_old_partitions")] == ["planned", "skipped"]


def test_into_a_tablespace_and_back(metrics):
    metrics.execute("SET allow_in_place_tablespaces = true")
    metrics.execute("CREATE TABLESPACE \"Old & slow\" LOCATION ''")
    try:
        metrics.execute("CREATE SCHEMA cold")
        old(metrics, 14, 1)
        before = metrics.dump(schema_only=True)
        done = archive(metrics, into_tablespace="Old & slow", into_schema="cold")
        assert statuses(done) == ["done"] * 3
        placed = "SELECT tablespace FROM pg_tables WHERE tablename = 'm_14' UNION ALL"
        placed += " SELECT tablespace FROM pg_indexes WHERE tablename = 'm_14'"
        assert metrics.execute(placed) == [("Old & slow",)] * 2
        rollback(metrics, done[0].migration_id)
        assert metrics.dump(schema_only=True) == before
        with refused("42704", "tablespace warm does not exist"):
            archive(metrics, into_tablespace="warm")
    finally:
        metrics.execute("DROP TABLE public.m; DROP TABLE IF EXISTS cold.m_14")
        metrics.execute('DROP TABLESPACE "Old & slow"')


@pytest.mark.parametrize(
    ("retention", "gone"),
    [
        ("2500", ["m_0", "m_1000"]),
        ("3 partitions", ["m_0", "m_1000"]),
        ("1 partition", ["m_0", "m_1000", "m_2000", "m_3000"]),
    ],
)
def test_numbers_by_distance_or_by_count(database, retention, gone):
    """The present of numbers is the highest one there; what lies ahead is not counted."""
    database.execute(
        "CREATE TABLE public.m (id bigint NOT NULL) PARTITION BY RANGE (id);"
        "SELECT lifecycle.create_partition('public.m', n::text, (n + 1000)::text)"
        " FROM generate_series(0, 6000, 1000) AS n; INSERT INTO public.m VALUES (1), (4600)"
    )
    call(database, "manage_partitions", parent="public.m", every="1000", retention=retention)
    assert [s.object for s in archive(database)] == [f"table public.{name}" for name in gone]
    assert archive(database, months=1) == []
    for wrong in ("0 partitions", "2 parts", "-5"):
        with refused("22023"):
            call(database, "manage_partitions", parent="public.m", every="1000", retention=wrong)


def test_the_last_ones_of_time(metrics):
    old(metrics, 14, 5, 3, 1, 0)
    call(metrics, "manage_partitions", parent="public.m", every="1 month", retention="2 partitions")
    archive(metrics)
    assert names(metrics) == ["m_0", "m_1"]


def test_dropped_when_empty_and_taken_back_to_the_beginning(database):
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    before = database.dump(schema_only=True)
    call(database, "create_monthly_partition", parent="public.m", year=2024, month=1)
    call(database, "manage_partitions", parent="public.m", every="1 month")
    assert statuses(call(database, "cleanup_empty_partitions")) == ["done"]
    undone = (
        "SELECT status FROM lifecycle.rollback_all_migrations('I_UNDERSTAND_THIS_IS_DESTRUCTIVE', dry_run => false)"
    )
    database.execute(undone)
    assert database.dump(schema_only=True) == before


def test_empty_ones_are_dropped(metrics, roles):
    reader = roles("reader")
    old(metrics, 14, 5, 4, 1)
    metrics.execute(
        f"DELETE FROM public.m WHERE id IN (14, 4, 1); GRANT SELECT ON public.m, public.m_14 TO {reader};"
        "ALTER TABLE public.m_14 SET (fillfactor = 70)"
    )
    before = metrics.dump(schema_only=True)
    assert statuses(call(metrics, "cleanup_empty_partitions", days=200, dry_run=True)) == ["planned"]
    done = call(metrics, "cleanup_empty_partitions", days=30)
    assert [(s.object, s.status) for s in done] == [("table public.m_14", "done"), ("table public.m_4", "done")]
    assert names(metrics) == ["m_1", "m_5"]
    assert call(metrics, "cleanup_empty_partitions") == []
    rollback(metrics, done[0].migration_id)
    assert metrics.dump(schema_only=True) == before
    with refused("22023", "days must be between 0 and 100000"):
        call(metrics, "cleanup_empty_partitions", days=-1)
    with metrics.connect(autocommit=False) as writer:
        writer.execute("INSERT INTO public.m SELECT at, 14 FROM (SELECT now()::date - 430 AS at) AS x WHERE false")
        writer.execute("LOCK TABLE public.m_14 IN ROW EXCLUSIVE MODE")
        metrics.execute("SET lifecycle.lock_attempts = 1")
        assert statuses(call(metrics, "cleanup_empty_partitions")) == ["failed"]
    assert "m_14" in names(metrics)
