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
    assert statuses(shown) == ["planned"] * 2
    assert statuses(call(metrics, "drop_archived_partitions", older_than="0", dry_run=False)) == ["done"] * 2
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
    with refused("22023", "months must be at least 1"):
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
