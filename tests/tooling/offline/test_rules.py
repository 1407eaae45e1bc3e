"""Each house rule catches the fault it is there for, and finds nothing in sound code."""

import inspect
import re

import pytest

from pg_lifecycle import rules, syntax
from pg_lifecycle.source import Finding, Part

SOUND = """\
-- Why this is here.
CREATE FUNCTION lifecycle.do_it(
    target regclass,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_state text;
BEGIN
    EXECUTE format('SELECT %L, %I', 'a' || 'b', target);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE;
END
$fn$;
COMMENT ON FUNCTION lifecycle.do_it(regclass, boolean, text, text) IS
'Does it.

Arguments: target - the table.
Returns: one row a step.
Errors: 42P01 when there is no such table.
Example: SELECT * FROM lifecycle.do_it(''public.t'');';
"""

PROCEDURE = """\
CREATE PROCEDURE lifecycle.run_it(target regclass) LANGUAGE plpgsql AS $fn$
BEGIN
    COMMIT;
END
$fn$;
COMMENT ON PROCEDURE lifecycle.run_it(regclass) IS
'Runs it.

Arguments: target - the table.
Errors: none.
Example: CALL lifecycle.run_it(''public.t'');';
"""

# rule, what to replace in SOUND, with what
FAULTS = [
    ("tab", "    v_state text;", "\tv_state text;"),
    ("trailing-blank", "BEGIN\n", "BEGIN \n"),
    ("line-length", "BEGIN\n", "BEGIN" + " -- long" * 20 + "\n"),
    ("noqa", "-- Why this is here.", "-- noqa: PRS"),
    ("or-replace", "CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"),
    ("if-not-exists", "-- Why this is here.", "CREATE TABLE IF NOT EXISTS lifecycle.t ();"),
    ("search-path", " SET search_path = pg_catalog, pg_temp", ""),
    ("search-path", "pg_catalog, pg_temp AS", "pg_catalog AS"),
    ("search-path", "pg_catalog, pg_temp AS", "pg_catalog, public, pg_temp AS"),
    ("definer", "LANGUAGE plpgsql", "LANGUAGE plpgsql SECURITY DEFINER"),
    ("comment", "COMMENT ON FUNCTION lifecycle.do_it(regclass,", "COMMENT ON FUNCTION lifecycle.do_it(text,"),
    ("comment", "-- Why this is here.", "CREATE VIEW lifecycle.v AS SELECT 1 AS x;"),
    ("comment", "-- Why this is here.", "CREATE TYPE lifecycle.y AS (x integer);"),
    ("comment-sections", "Errors: 42P01 when", "When"),
    ("comment-sections", "Example: SELECT", "SELECT"),
    ("comment-sections", "Arguments: target", "target"),
    ("comment-sections", "Returns: one", "One"),
    ("keyword", "target regclass,", 'target regclass,\n    "interval" jsonb,'),
    ("target", "target regclass", "target text"),
    ("target", "    target regclass", "    label text,\n    target regclass"),
    ("change-tail", "target regclass,\n    dry_run boolean DEFAULT false", "dry_run boolean,\n    target regclass"),
    ("change-result", "SETOF lifecycle.step_result", "SETOF lifecycle.finding"),
    ("dry-run-default", "DEFAULT false", "DEFAULT true"),
    ("others", "GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE", "GET STACKED DIAGNOSTICS v_state = MESSAGE_TEXT"),
    ("others", "GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE", "RAISE NOTICE '%', SQLERRM"),
    ("split-part", "v_state text;", "v_state text := split_part('a.b', '.', 1);"),
    ("execute", "format('SELECT %L, %I', 'a' || 'b', target)", "'SELECT ' || target"),
    ("execute", "format('SELECT %L, %I', 'a' || 'b', target)", "format('SELECT ' || target)"),
    ("execute", "EXECUTE format(", "FOR v_state IN EXECUTE 'SELECT ' || target LOOP END LOOP; EXECUTE format("),
    ("execute", "EXECUTE format(", "RETURN QUERY EXECUTE 'SELECT ' || target; EXECUTE format("),
    ("body-length", "BEGIN\n", "BEGIN\n" + "    NULL;\n" * 100),
    ("dollar-tag", "$fn$", "$body$"),
    ("file-name", "lifecycle.do_it", "lifecycle.do_that"),
]  # fmt: skip

OTHER_FAULTS = [
    ("one-routine", "do_it", SOUND + PROCEDURE),
    ("commit-with-set", "run_it", PROCEDURE.replace("plpgsql AS", "plpgsql SET search_path = pg_catalog, pg_temp AS")),
    ("search-path", "run_it", PROCEDURE.replace("COMMIT", "NULL")),
    ("dry-run-default", "drop_it", SOUND.replace("do_it", "drop_it")),
    ("comment", "_f", SOUND.replace("do_it", "_f").partition("COMMENT")[0]),
    ("keyword", "_f", SOUND.replace("do_it", "_f").replace("target regclass", '"interval" regclass')),
    (
        "overload",
        "do_it",
        SOUND + SOUND.replace("target regclass", "target text").replace("it(regclass", "it(text"),
    ),
]


def found(text: str, stem: str) -> list[Finding]:
    file = syntax.read(Part(f"sql/core/{stem}.sql", text))
    return [*file.findings, *rules.check(file)]


@pytest.mark.parametrize(("text", "stem"), [(SOUND, "do_it"), (PROCEDURE, "run_it")])
def test_nothing_is_found_in_sound_code(text: str, stem: str) -> None:
    assert found(text, stem) == []


@pytest.mark.parametrize(("rule", "old", "new"), FAULTS)
def test_a_planted_fault_is_found(rule: str, old: str, new: str) -> None:
    assert old in SOUND
    assert rule in {finding.rule for finding in found(SOUND.replace(old, new), "do_it")}


@pytest.mark.parametrize(("rule", "stem", "text"), OTHER_FAULTS)
def test_a_fault_of_a_whole_file_is_found(rule: str, stem: str, text: str) -> None:
    assert rule in {finding.rule for finding in found(text, stem)}


def test_every_rule_has_a_planted_fault() -> None:
    planted = {rule for rule, *_ in FAULTS} | {rule for rule, *_ in OTHER_FAULTS}
    assert planted >= rules_of_the_module()


def rules_of_the_module() -> set[str]:
    text = inspect.getsource(rules)
    return set(re.findall(r'(?:Finding|_at)\(file[^"]*"([a-z-]+)"', text))


def test_a_definer_with_a_reason_passes() -> None:
    text = SOUND.replace("LANGUAGE plpgsql", "LANGUAGE plpgsql SECURITY DEFINER").replace(
        "-- Why this is here.", "-- SECURITY DEFINER because a test says so."
    )
    assert found(text, "do_it") == []


def test_others_is_reported_where_it_stands() -> None:
    text = SOUND.replace("GET STACKED DIAGNOSTICS v_state = RETURNED_SQLSTATE", "NULL")
    (finding,) = found(text, "do_it")
    assert text.splitlines()[finding.line - 1] == "EXCEPTION WHEN OTHERS THEN"


def test_a_long_body_is_a_warning_first() -> None:
    (finding,) = found(SOUND.replace("BEGIN\n", "BEGIN\n" + "    NULL;\n" * 80), "do_it")
    assert finding.is_warning
    assert finding.rule == "body-length"


@pytest.mark.parametrize(
    ("text", "is_fine"),
    [
        ("REVOKE ALL ON ALL ROUTINES IN SCHEMA lifecycle FROM PUBLIC;\n", True),
        ("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA lifecycle FROM PUBLIC;\n", False),
        ("-- REVOKE ALL ON ALL ROUTINES IN SCHEMA lifecycle FROM PUBLIC;\n", False),
    ],
)
def test_the_revoke_stands_in_privileges(text: str, is_fine: bool) -> None:
    file = syntax.read(Part("sql/privileges.sql", text))
    assert (list(rules.check_privileges([file])) == []) is is_fine


def test_keywords_are_those_of_the_parser() -> None:
    from pglast import keywords

    categories = {"U": "UNRESERVED", "C": "COL_NAME", "T": "TYPE_FUNC_NAME", "R": "RESERVED"}
    expected = {word: c for c, name in categories.items() for word in getattr(keywords, f"{name}_KEYWORDS")}
    assert rules.keywords() == expected
