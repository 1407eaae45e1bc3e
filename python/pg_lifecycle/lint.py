"""The lint: every source parsed, laid out, ruled and fresh; Python too; bodies also on a live server.

Layers, because each sees what the others do not: the parser of PostgreSQL (pglast) reads every statement and body,
sqlfluff the layout outside of bodies, ``rules`` the conventions of the house, plpgsql_check the types and names in a
database, pgspot what an attacker could put on a search path, ruff and mypy the Python.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pg_lifecycle import bundle, rules, syntax
from pg_lifecycle.source import Allowed, Finding, SourceError, read_part

if TYPE_CHECKING:
    from typing import Any

    import psycopg

# Files with a statement that sqlfluff cannot parse, and the reason. It does not look at the rest of such a file.
UNPARSABLE: dict[str, str] = {}


LAYOUT_ALLOWED = [
    Allowed("LT01", r"^COMMENT ON PROCEDURE ", "sqlfluff takes the arguments of a procedure for a list of columns"),
]

PLPGSQL_ALLOWED = [
    Allowed(
        "security", r"^lifecycle\._execute\(", "runs a statement of the user, with the rights of the user: its purpose"
    ),
    Allowed("security", r"^lifecycle\._run_under\(", "runs a statement that our own code has put together"),
    Allowed("performance", r"^lifecycle\._key_plan\(", "EXPLAIN is refused in a function that is not volatile"),
    Allowed("security", r"^lifecycle\._lock_once\(", "the relation is a regclass, the mode a constant of our own code"),
    Allowed("security", r"^lifecycle\._referenced\(", "the condition is columns by %I"),
    Allowed(
        "security", r"^lifecycle\._(copy_range|replay)\(", "columns by %I; the predicate is the caller's, run as him"
    ),
    Allowed("security", r"^lifecycle\._(compare_range|drain_ranges)\(", "the same; bounds are literals"),
    Allowed(
        "security", r"^lifecycle\._require_unique_again\(", "columns by %I, the predicate of an index of the catalog"
    ),
    Allowed("warning extra", r"^lifecycle\._dimension_paths\(.*maybe unmodified", "RETURN QUERY EXECUTE fills them"),
    Allowed("warning extra", r"^lifecycle\._retry_swap_back\(.*without RETURN", "the last try returns or raises"),
    Allowed("warning extra", r"^lifecycle\._try_convert\(.*composite OUT", "a state and, beside it, a failure"),
    Allowed("performance", r"target type is different", "one cast in an assignment, once a call"),
    Allowed(
        "warning",
        r'cast "text" value to "(jsonb|(regtype|oid|lifecycle\.plan_step)\[\])" type',
        "a literal for a constant",
    ),
    Allowed(
        "performance", r"cannot to determine volatility of used dynamic SQL", "it guesses without knowing the statement"
    ),
    Allowed("warning", r"marked as STABLE, but expression is VOLATILE", "sizes, locks, rows: nothing is written"),
    Allowed("warning", r"marked as IMMUTABLE, but expression is STABLE", "format() is, for types that are not text"),
    Allowed("warning extra", r"^lifecycle\._rollback_plan_\w+\(.*unused parameter", "hooks have the same arguments"),
]


def sources(root: Path = bundle.ROOT) -> list[syntax.SourceFile]:
    """Every SQL source of the repository, listed in the manifest or not, parsed. Raises SourceError (not UTF-8)."""
    paths = sorted(path.relative_to(root).as_posix() for path in (root / "sql").rglob("*.sql"))
    return [syntax.read(read_part(root, path)) for path in paths]


def lint_sources(root: Path = bundle.ROOT) -> Iterator[Finding]:
    """Yields findings of parser and house rules."""
    files = sources(root)
    for file in files:
        yield from file.findings
        yield from rules.check(file)
    yield from rules.check_privileges(files)


def lint_layout(root: Path = bundle.ROOT) -> Iterator[Finding]:
    """Yields findings of sqlfluff, and every file that it did not lint or could not parse."""
    from sqlfluff.core import FluffConfig, Linter

    linter = Linter(config=FluffConfig.from_path(str(root)))
    linted = set()
    for file in linter.lint_path(str(root / "sql")).files:
        path = Path(file.path).resolve().relative_to(root).as_posix()
        linted.add(path)
        lines = (root / path).read_text(encoding="utf-8").splitlines()
        for error in file.get_violations():
            code, line = error.rule_code(), error.line_no
            if code == "PRS" and path in UNPARSABLE:
                continue
            if not any(allowed.covers(code, lines[line - 1]) for allowed in LAYOUT_ALLOWED):
                yield Finding(path, line, code, error.desc())
    for file_path in sorted((root / "sql").rglob("*.sql")):
        if (path := file_path.relative_to(root).as_posix()) not in linted:
            yield Finding(path, 1, "skipped", "sqlfluff did not look at this file")


def lint_generated(root: Path = bundle.ROOT) -> Iterator[Finding]:
    """Yields generated files that differ from what the sources give, and what keeps them from being built."""
    from pg_lifecycle import reference

    try:
        yield from bundle.build(root, check=True)
    except SourceError as error:
        for line in str(error).splitlines():
            path, number, rule, message = line.split(":", 3)
            yield Finding(path, int(number), rule.strip(), message.strip())
        return
    yield from reference.build(root, check=True)


def lint_python(root: Path = bundle.ROOT) -> int:
    """Runs ruff and mypy over the Python; returns the highest exit code."""
    folders = [str(root / folder) for folder in ("python", "tests") if (root / folder).is_dir()]
    config = str(root / "python/pyproject.toml")
    commands = [
        ["ruff", "check", "--quiet", "--output-format=concise", "--config", config, *folders],
        ["ruff", "format", "--quiet", "--check", "--output-format=concise", "--config", config, *folders],
        ["mypy", "--config-file", config, "--no-error-summary", str(root / "python/pg_lifecycle")],
    ]
    return max(
        subprocess.run([sys.executable, "-m", *command], cwd=root, check=False).returncode for command in commands
    )


def plpgsql_check(connection: psycopg.Connection[Any], root: Path = bundle.ROOT) -> Iterator[Finding]:
    """Yields what plpgsql_check says about every plpgsql routine of schema lifecycle, mapped to the sources.

    ``connection``: to a database that holds both extensions. A routine that no source defines is reported with its
    signature as path. Warnings count too, security and performance ones included.
    """
    places = {
        routine.signature: (routine.path, routine.body_line) for file in sources(root) for routine in file.routines
    }
    rows = connection.execute(_PLPGSQL_CHECK).fetchall()
    for signature, lineno, level, sqlstate, message, context in rows:
        path, first = places.get(signature, (signature, 1))
        text = f"{signature}: {message}" + (f" [{' '.join(context.split())}]" if context else "")
        if not any(allowed.covers(level, text) for allowed in PLPGSQL_ALLOWED):
            yield Finding(path, first + (lineno or 1) - 1, f"plpgsql_check {level} {sqlstate}", text)


_PLPGSQL_CHECK = """
    SELECT
        'lifecycle.' || p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ')',
        c.lineno, c.level, c.sqlstate, c.message, concat_ws(' ', c.detail, c.query)
    FROM pg_catalog.pg_proc AS p
    LEFT JOIN pg_catalog.pg_trigger AS t ON t.tgfoid = p.oid AND NOT t.tgisinternal,
        LATERAL plpgsql_check_function_tb(
            p.oid::pg_catalog.regprocedure, relid => coalesce(t.tgrelid, 0), fatal_errors => false,
            other_warnings => true, extra_warnings => true, security_warnings => true, performance_warnings => true
        ) AS c
    WHERE p.pronamespace = 'lifecycle'::pg_catalog.regnamespace
        AND p.prolang = (SELECT l.oid FROM pg_catalog.pg_language AS l WHERE l.lanname = 'plpgsql')
    ORDER BY 1, 2
"""
