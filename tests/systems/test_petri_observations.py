"""The petri_observations system: its files run in order, and its table is converted, written to, and brought back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from harness.databases import Database
from pg_lifecycle.source import statements

EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "petri_observations"
OBSERVATIONS = 2000
FACTS = """
SELECT count(*), sum(hashtextextended(observation_id::text || growth_index::text || created_at::text, 0)::numeric)
FROM public.petri_observations
"""
LEAVES = "SELECT count(*) FROM pg_partition_tree('public.petri_observations') WHERE isleaf"


@pytest.fixture
def system(database: Database, roles: Callable[..., str]) -> Database:
    """The tables with their data, and the functions of partition_mgmt."""
    app = roles("petri_app")
    database.execute(
        f"SET petri.app_role = '{app}'; SET petri.observations = {OBSERVATIONS}; SET petri.days = 80;"
        "SET petri.anchor = '2026-11-01'; SET timezone = 'UTC'"
    )
    for name in ("01_schema", "02_data", "03_api"):
        run_file(database, name)
    return database


def run_file(database: Database, name: str) -> None:
    """Runs a file of the example, each statement on its own, as psql does."""
    for statement in statements((EXAMPLE / f"{name}.sql").read_text(encoding="utf-8")):
        database.execute(statement.text)


def kind(database: Database, name: str = "petri_observations") -> str:
    """The relkind of a table in public."""
    return str(database.value("SELECT relkind::text FROM pg_class WHERE oid = to_regclass(%s)", [f"public.{name}"]))


def test_nothing_stands_in_the_way(system: Database) -> None:
    found = system.execute("SELECT severity, object, finding FROM partition_mgmt.pre_migration_check()")
    assert not [row for row in found if row[0] == "error"]
    planned = system.execute("SELECT status FROM partition_mgmt.safe_migrate_table('petri_observations', true)")
    assert {status for (status,) in planned} <= {"planned", "skipped"}
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="cannot commit"):
        system.execute("SELECT * FROM partition_mgmt.safe_migrate_table('petri_observations', false)")


def test_converted_written_to_and_brought_back(system: Database) -> None:
    before, schema = system.execute(FACTS), system.dump(schema_only=True)
    run_file(system, "04_convert")
    assert kind(system) == "p"
    assert kind(system, "petri_observations_old") == "r"
    assert system.execute(FACTS) == before
    assert system.value("SELECT count(*) FROM partition_mgmt.post_migration_validation() WHERE severity = 'error'") == 0
    # 9 sites, as many months each as they have observations, and those ahead
    assert system.value(LEAVES) >= 9 * 4
    run_file(system, "05_maintenance")
    run_file(system, "06_verify")
    assert not system.execute("SELECT * FROM pg_temp.verified WHERE NOT passed")
    system.execute(
        "UPDATE public.petri_observations SET growth_index = 77"
        " WHERE site_id = (SELECT site_id FROM public.petri_observations LIMIT 1)"
    )
    after = system.execute(FACTS)
    run_file(system, "07_rollback")
    assert kind(system) == "r"
    assert system.execute(FACTS) == after
    assert system.dump(schema_only=True) == schema


def test_a_new_site_gets_its_months(system: Database) -> None:
    run_file(system, "04_convert")
    run_file(system, "05_maintenance")
    before = system.value(LEAVES)
    system.execute("INSERT INTO public.sites (program_id, name) SELECT program_id, 'new' FROM public.pilot_programs")
    system.execute("SELECT * FROM partition_mgmt.schedule_maintenance()")
    # the third program has ended
    assert system.value(LEAVES) == before + 2 * 4


def test_row_security_holds_on_both_sides(system: Database) -> None:
    count = "SELECT count(*) FROM public.petri_observations"
    seen = as_person(system, count)
    assert 0 < seen < OBSERVATIONS
    run_file(system, "04_convert")
    assert as_person(system, count) == seen
    optimized = (
        "SELECT count(*) FROM generate_series(1, 2) AS c, generate_series(1, 3) AS p,"
        " public.get_observations_optimized("
        "md5('petri company ' || c)::uuid, md5('petri program ' || p)::uuid, '-infinity')"
    )
    assert as_person(system, optimized) == seen


def as_person(database: Database, statement: str) -> int:
    """The answer that the application gets in the name of a user."""
    database.execute(
        "SELECT set_config('request.jwt.claims', jsonb_build_object('sub', md5('petri user 1')::uuid)::text, false),"
        " set_config('role', current_setting('petri.app_role'), false)"
    )
    try:
        return int(database.value(statement))
    finally:
        database.execute("RESET ROLE")
