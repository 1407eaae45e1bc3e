"""What a table has is kept, or told beforehand; nothing is lost in silence, and a rollback brings all of it back."""

from __future__ import annotations

import pytest

from harness.calls import rows
from harness.fingerprint import table_facts
from harness.nasty_tables import SHARED, TABLES, made


@pytest.fixture
def world(database, roles):
    """The schema that the tables share, two roles and a tablespace."""
    words = {"reader": roles("reader"), "owner": roles("owner"), "space": "nasty_space"}
    database.execute("SET allow_in_place_tablespaces = on")
    if not database.execute("SELECT FROM pg_tablespace WHERE spcname = %s", [words["space"]]):
        database.execute(f"CREATE TABLESPACE {words['space']} LOCATION ''")
    database.execute(SHARED)
    return database, words


def test_the_list_is_long_enough():
    assert len(TABLES) >= 40


def test_the_check_says_what_is_refused(world):
    """Tables that cannot be converted, and only those, are told before anything is done."""
    database, words = world
    wrong = {}
    for name, nasty in TABLES.items():
        if nasty.major <= database.server.major:
            database.execute(made(name, nasty, **words))
            query = f"SELECT * FROM lifecycle.pre_migration_check('f.{name}', {nasty.levels}, %s, %s)"
            errors = [f for f in rows(database, query, [nasty.keys, nasty.foreign]) if f[0] == "error"]
            if bool(errors) != nasty.refused:
                wrong[name] = errors
    assert wrong == {}
    assert len(table_facts(database, "f")) > 20 * len(TABLES)
