"""plpgsql_check on a live server: our routines are clean, and a planted fault is found in its place."""

import pytest

from harness.databases import Database
from pg_lifecycle import lint

pytestmark = pytest.mark.requires("plpgsql_check")

FAULTY = """
CREATE FUNCTION lifecycle.{name}(label text) RETURNS text LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_text text;
BEGIN
    {statement}
    RETURN label;
END
$fn$
"""


@pytest.fixture
def checked(database: Database) -> Database:
    database.execute("CREATE EXTENSION plpgsql_check")
    return database


def test_our_routines_are_clean(checked: Database) -> None:
    with checked.connect() as connection:
        found = [str(finding) for finding in lint.plpgsql_check(connection)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("v_text := missing_variable;", 'column "missing_variable" does not exist'),
        ("SELECT t.missing INTO v_text FROM pg_catalog.pg_class AS t;", "column t.missing does not exist"),
        ("PERFORM lifecycle.missing_function(label);", "function lifecycle.missing_function(text) does not exist"),
        ("EXECUTE 'SELECT ' || label INTO v_text;", "not sanitized"),
        ("NULL;", 'unused variable "v_text"'),
        ("NULL;", "marked as VOLATILE, should be IMMUTABLE"),
    ],
)
def test_a_planted_fault_is_found(checked: Database, statement: str, message: str) -> None:
    checked.execute(FAULTY.format(name="faulty", statement=statement))
    with checked.connect() as connection:
        found = [finding for finding in lint.plpgsql_check(connection) if finding.path.startswith("lifecycle.faulty(")]
    assert any(message in finding.message for finding in found), found


def test_a_finding_names_the_line_of_the_source(checked: Database) -> None:
    """The body of a routine that a source defines, changed in the database only."""
    checked.execute(
        "CREATE OR REPLACE FUNCTION lifecycle.setting(setting_name text) RETURNS text LANGUAGE plpgsql STABLE"
        " SET search_path = pg_catalog, pg_temp AS $fn$\nBEGIN\n    RETURN nothing_of_the_kind;\nEND\n$fn$"
    )
    with checked.connect() as connection:
        (first, *_) = [f for f in lint.plpgsql_check(connection) if f.path == "sql/core/setting.sql"]
    opening = next(r.body_line for file in lint.sources() for r in file.routines if r.name == "setting")
    assert first.line == opening + 2
