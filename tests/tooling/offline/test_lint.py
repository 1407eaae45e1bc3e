"""Each linter catches a planted fault and says where it is; no file is passed over in silence."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pg_lifecycle import bundle, lint, reference, syntax
from pg_lifecycle.source import Part

BODY = """\
CREATE FUNCTION lifecycle._f(step lifecycle.plan_step, VARIADIC names text[]) RETURNS SETOF lifecycle.plan_step
LANGUAGE {language} SET search_path = pg_catalog, pg_temp AS $fn$
{body}
$fn$;
COMMENT ON FUNCTION lifecycle._f(lifecycle.plan_step, text[]) IS 'Does nothing.';
"""


def first_finding(text: str) -> str:
    return str(syntax.read(Part("sql/core/_f.sql", text)).findings[0])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with one sound source and everything that the build needs."""
    for path in ("extension", "python/pyproject.toml", "tox.ini"):
        source, target = bundle.ROOT / path, tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
    (tmp_path / "sql/core").mkdir(parents=True)
    (tmp_path / "sql/manifest.txt").write_text("core/_f.sql\n")
    (tmp_path / "sql/core/_f.sql").write_text(BODY.format(language="plpgsql", body="BEGIN\nEND"))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("SELECT 1;\nSELEC 2;\n", 2, "syntax error at or near"),
        ("SELECT 1;\n\nSELECT (1;\n", 3, "statement without a semicolon"),
        ("SELECT 'open;\n", 1, "unclosed"),
        (BODY.format(language="plpgsql", body="DECLARE\n    v_x integer;\nBEGIN\n    v_y := 1;\nEND"), 6, "v_y"),
        # The parser gives no position inside a body, only the token, where there is one.
        (BODY.format(language="plpgsql", body="BEGIN\n    PERFORM 1 +;\nEND"), 1, "syntax error at end of input"),
        (BODY.format(language="plpgsql", body="BEGIN\n    IF true THEN\nEND"), 1, "syntax error at end of input"),
        (BODY.format(language="sql", body="SELECT 1;\nSELEC 2"), 4, "syntax error"),
        ("DO $do$\nBEGIN\n    IF;\nEND\n$do$;\n", 1, 'missing "THEN"'),
    ],
)
def test_the_parser_finds_syntax_errors(text: str, line: int, message: str) -> None:
    finding = first_finding(text)
    assert finding.startswith(f"sql/core/_f.sql:{line}: syntax: ")
    assert message in finding


@pytest.mark.parametrize(
    "body",
    [
        "DECLARE\n    v_step lifecycle.plan_step;\nBEGIN\n    v_step.note := 'x';\n    RETURN NEXT v_step;\nEND",
        "DECLARE\n    v_all lifecycle.plan_step[];\nBEGIN\n    FOREACH step IN ARRAY v_all LOOP\n    END LOOP;\nEND",
        "DECLARE\n    v_state lifecycle.plan_step.note%TYPE;\nBEGIN\n    v_state := 'x';\nEND",
    ],
)
def test_our_own_types_are_no_errors(body: str) -> None:
    assert syntax.read(Part("sql/core/_f.sql", BODY.format(language="plpgsql", body=body))).findings == []


def test_layout_is_checked(root: Path) -> None:
    assert list(lint.lint_layout(root)) == []
    (root / "sql/core/v.sql").write_text("create view lifecycle.v as\nselect 1 as x;\n")
    assert {(finding.path, finding.rule) for finding in lint.lint_layout(root)} >= {("sql/core/v.sql", "CP01")}


def test_an_unparsable_file_is_reported(root: Path) -> None:
    (root / "sql/core/v.sql").write_text("SELECT FROM WHERE;\nselect 1;\n")
    assert ("sql/core/v.sql", "PRS") in {(finding.path, finding.rule) for finding in lint.lint_layout(root)}


def test_a_large_file_is_not_skipped(root: Path) -> None:
    (root / "sql/core/v.sql").write_text("SELECT 1 AS a_column_with_a_name;\n" * 1000 + "select 2 AS b;\n")
    assert ("sql/core/v.sql", 1001) in {(finding.path, finding.line) for finding in lint.lint_layout(root)}


def test_a_file_that_sqlfluff_ignores_is_reported(root: Path) -> None:
    (root / ".sqlfluffignore").write_text("sql/core/_f.sql\n")
    assert [finding.rule for finding in lint.lint_layout(root)] == ["skipped"]


def test_stale_files_are_reported_until_they_are_built(root: Path) -> None:
    generated = {*bundle.generated(bundle.load(root)), reference.PATH}
    for path in generated:
        (root / path).unlink(missing_ok=True)
    assert {finding.path for finding in lint.lint_generated(root)} == generated
    bundle.build(root)
    reference.build(root)
    assert list(lint.lint_generated(root)) == []
    (root / "sql/core/_f.sql").open("a").write("COMMENT ON SCHEMA lifecycle IS 'changed';\n")
    assert [finding.rule for finding in lint.lint_generated(root)] == ["stale"]


def test_what_stops_the_build_is_reported(root: Path) -> None:
    (root / "sql/core/g.sql").write_text("COMMIT;\n")
    assert [str(finding) for finding in lint.lint_generated(root)] == [
        "sql/core/g.sql:1: manifest: is not listed in sql/manifest.txt"
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ('"""A module."""\n\nimport os\n', "F401"),
        ('"""A module."""\n\nx = {  }\n', "unformatted"),
        ('"""A module."""\n\nx: int = "a"\n', "Incompatible types in assignment"),
    ],
)
def test_python_is_checked(root: Path, capfd: pytest.CaptureFixture[str], code: str, message: str) -> None:
    package = root / "python/pg_lifecycle"
    package.mkdir()
    (package / "__init__.py").write_text('"""A package."""\n')
    assert lint.lint_python(root) == 0, capfd.readouterr()
    (package / "fault.py").write_text(code)
    assert lint.lint_python(root) == 1
    assert message in "".join(capfd.readouterr())


def test_the_exit_code_says_whether_there_was_a_fault(root: Path) -> None:
    """`build --check` prints file:line: rule: message and returns 1."""
    shutil.copytree(bundle.ROOT / "python/pg_lifecycle", root / "python/pg_lifecycle")
    command = [sys.executable, "-m", "pg_lifecycle", "build", "--check"]
    run = subprocess.run(command, cwd=root / "python", capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "extension/pg_lifecycle--0.1.0.sql:1: stale: " in run.stdout
