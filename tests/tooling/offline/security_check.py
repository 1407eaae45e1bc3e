"""pgspot catches planted faults. Run by tox -e security, the environment that has pgspot; no server, no conftest."""

import pytest

from pg_lifecycle import security

SCRIPT = """\
CREATE SCHEMA lifecycle;
SET LOCAL search_path = pg_catalog, pg_temp;
-- source: sql/core/f.sql
{0}
SELECT 1;
"""

FUNCTION = "CREATE FUNCTION lifecycle.f(a int) RETURNS int LANGUAGE plpgsql {0} AS $fn$ {1} $fn$;"


def rules(statement: str) -> set[str]:
    return {finding.rule for finding in security.check_script(SCRIPT.format(statement))}


def test_sound_code_passes() -> None:
    assert rules(FUNCTION.format("SET search_path = pg_catalog, pg_temp", "BEGIN RETURN a + 1; END")) == set()


@pytest.mark.parametrize(
    ("rule", "statement"),
    [
        ("PS002", "CREATE OR REPLACE FUNCTION public.f() RETURNS int LANGUAGE sql AS 'SELECT 1';"),
        ("PS003", FUNCTION.format("SECURITY DEFINER", "BEGIN RETURN a; END")),
        ("PS004", FUNCTION.format("SECURITY DEFINER SET search_path = public", "BEGIN RETURN a; END")),
        ("PS005", FUNCTION.format("", "BEGIN RETURN a + 1; END")),
        ("PS010", "CREATE SCHEMA IF NOT EXISTS other;"),
        ("PS012", "CREATE TABLE IF NOT EXISTS public.t ();"),
    ],
)
def test_a_planted_fault_is_found(rule: str, statement: str) -> None:
    assert rule in rules(statement)


def test_an_expression_after_return_next_is_read() -> None:
    function = FUNCTION.replace("RETURNS int", "RETURNS SETOF int")
    path = "SET search_path = pg_catalog, pg_temp"
    assert rules(function.format(path, "BEGIN RETURN NEXT lifecycle.g(a); END")) == set()
    assert "PS005" in rules(function.format("", "BEGIN RETURN NEXT lifecycle.g(a + 1); END"))


def test_what_stops_pgspot_is_a_finding() -> None:
    assert "pgspot" in rules(FUNCTION.format("SET search_path = pg_catalog, pg_temp", "BEGIN v_unknown := 1; END"))


def test_a_finding_names_the_source() -> None:
    (finding,) = security.check_script(SCRIPT.format("SELECT 2;\nCREATE SCHEMA IF NOT EXISTS other;"))
    assert finding.path == "sql/core/f.sql"
