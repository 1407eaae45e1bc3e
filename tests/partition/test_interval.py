"""Another span from the next boundary on: no gap, no overlap, whatever the spans."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, statuses

DAYS = (
    "SET timezone = 'UTC'; CREATE TABLE public.m (at timestamptz NOT NULL) PARTITION BY RANGE (at);"
    " SELECT lifecycle.manage_partitions('public.m', %s, premake => %s, time_zone => 'Europe/Berlin');"
    " SELECT lifecycle.ensure_future_partitions()"
)
HOLES = "SELECT finding FROM lifecycle.validate_partitions('public.m')"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1 day", "1 day"),
        ("1 day", "1 hour"),
        ("1 day", "1 month"),
        ("1 week", "1 month"),
        ("1 month", "1 week"),
        ("1 month", "1 year"),
        ("1 day", "1 week"),
    ],
)
def test_no_gap_and_no_overlap(database, old, new):
    database.execute(DAYS.replace("%s", f"'{old}'", 1).replace("%s", "3"))
    before = database.dump(schema_only=True)
    stood = database.value("SELECT count(*) FROM pg_inherits")
    shown = call(database, "change_partition_interval", target="public.m", every=new, dry_run=True)
    done = call(database, "change_partition_interval", target="public.m", every=new, expected_plan=shown[0].plan_hash)
    if old == new:
        assert statuses(done) == ["skipped"]
        return
    assert set(statuses(done)) == {"done"}
    assert database.value("SELECT count(*) FROM pg_inherits") - stood in (0, 1)
    assert statuses(call(database, "change_partition_interval", target="public.m", every=new)) == ["skipped"]
    rollback(database, done[0].migration_id)
    assert database.dump(schema_only=True) == before
    call(database, "change_partition_interval", target="public.m", every=new)
    database.execute(
        "SELECT lifecycle.manage_partitions('public.m', %s, premake => 110, time_zone => 'Europe/Berlin')", [new]
    )
    made = database.execute("SELECT status, object, note FROM lifecycle.ensure_future_partitions()")
    assert [m for m in made if m[0] not in ("done", "skipped")] == []
    assert [f for (f,) in database.execute(HOLES) if "lock" not in f] == []
    assert database.value("SELECT count(*) FROM pg_inherits") > stood + 1


def test_numbers(database):
    database.execute(
        "CREATE TABLE public.m (id bigint NOT NULL) PARTITION BY RANGE (id);"
        " CREATE TABLE public.m_0 PARTITION OF public.m FOR VALUES FROM (0) TO (150);"
        " SELECT lifecycle.manage_partitions('public.m', '150', premake => 2)"
    )
    call(database, "change_partition_interval", target="public.m", every="1000")
    database.execute("SELECT lifecycle.ensure_future_partitions()")
    bounds = "SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relispartition ORDER BY oid"
    assert [b for (b,) in database.execute(bounds)][:3] == [
        "FOR VALUES FROM ('0') TO ('150')",
        "FOR VALUES FROM ('150') TO ('1000')",
        "FOR VALUES FROM ('1000') TO ('2000')",
    ]


def test_below_a_managed_table(database):
    database.execute(
        "CREATE TABLE public.m (k text NOT NULL, day date NOT NULL) PARTITION BY LIST (k);"
        " CREATE TABLE public.m_a PARTITION OF public.m FOR VALUES IN ('a') PARTITION BY RANGE (day);"
        " CREATE TABLE public.m_b PARTITION OF public.m FOR VALUES IN ('b') PARTITION BY RANGE (day);"
        " SELECT lifecycle.manage_partitions('public.m', levels =>"
        ' \'[{"method": "list", "column": "k"}, {"method": "range", "column": "day", "every": "1 month"}]\','
        " premake => 1); SELECT lifecycle.ensure_future_partitions()"
    )
    call(database, "change_partition_interval", target="public.m_b", every="1 day")
    database.execute("SELECT lifecycle.ensure_future_partitions()")
    assert (
        database.execute("SELECT parent, levels FROM lifecycle.partition_policy ORDER BY parent")[1][0] == "public.m_b"
    )
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.m_a'::regclass") == 2
    assert database.execute("SELECT * FROM lifecycle.validate_partitions('public.m')") == []


def test_what_it_refuses(database):
    database.execute("CREATE TABLE public.m (day date NOT NULL) PARTITION BY RANGE (day)")
    with refused("55000", "has no policy"):
        call(database, "change_partition_interval", target="public.m", every="1 day")
    database.execute("SELECT lifecycle.manage_partitions('public.m', '1 month')")
    with refused("22023", "cannot be every 30"):
        call(database, "change_partition_interval", target="public.m", every="30")
