"""The partitioning of the flavor_wheel system: the calls of its fifth migration, there and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.databases import Database

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "flavor_wheel"
ROWS = 2000
FACTS = "SELECT count(*), sum(hashtextextended(d::text, 0)::numeric) FROM public.flavor_descriptors AS d"
KIND = "SELECT relkind::text FROM pg_class WHERE oid = 'public.flavor_descriptors'::regclass"


@pytest.fixture
def system(database: Database) -> Database:
    """The table with its data, and the functions of the migration."""
    database.execute(f"SET flavor.descriptors = {ROWS}; SET flavor.anchor = '2026-11-15'; SET timezone = 'UTC'")
    for name in ("01_schema", "02_data", "05_partitioning_strategy"):
        database.execute((EXAMPLE / f"{name}.sql").read_text(encoding="utf-8"))
    return database


def test_there_and_back(system: Database) -> None:
    before, schema = system.execute(FACTS), system.dump(schema_only=True)
    assert set(system.execute("SELECT DISTINCT status FROM migrate_to_partitioned_table(10000, TRUE)")) <= {
        ("planned",),
        ("skipped",),
    }
    assert system.dump(schema_only=True) == schema
    system.execute("SELECT * FROM migrate_to_partitioned_table(10000, FALSE)")
    assert (system.value(KIND), system.execute(FACTS)) == ("p", before)
    system.execute("UPDATE public.flavor_descriptors SET intensity = 1, created_at = created_at + interval '40 days'")
    after = system.execute(FACTS)
    system.execute("SELECT * FROM lifecycle.rollback_conversion('public.flavor_descriptors', dry_run => false)")
    assert (system.value(KIND), system.execute(FACTS)) == ("r", after)
    assert system.dump(schema_only=True) == schema


def test_the_calls_of_its_jobs(system: Database) -> None:
    system.execute("SELECT * FROM migrate_to_partitioned_table(10000, FALSE)")
    assert system.execute("SELECT status FROM create_descriptor_partition(2031, 5)") == [("done",)]
    assert ("failed",) not in system.execute("SELECT status FROM ensure_future_partitions(6)")
    old = system.execute("SELECT partition, statement FROM archive_old_partitions(6)")
    assert any("DETACH" in statement for _, statement in old)
    tasks = dict(system.execute("SELECT task, done FROM run_partition_maintenance()"))
    assert tasks["partitions made"] == 0
    leaf = system.value(
        "SELECT min(relid::regclass::text) FROM pg_partition_tree('public.flavor_descriptors') WHERE isleaf"
    )
    rows = system.value("SELECT count(*) FROM public.flavor_descriptors")
    held = system.value(f"SELECT count(*) FROM {leaf}")
    assert ("failed",) not in system.execute("SELECT status FROM detach_partition(%s)", [leaf])
    assert system.value("SELECT count(*) FROM public.flavor_descriptors") == rows - held
    assert system.value(f"SELECT count(*) FROM {leaf}") == held > 0
