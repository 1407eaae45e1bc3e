"""The house rules for the SQL sources, one function a rule. Each finding says what to write instead."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from pg_lifecycle.source import Finding, Statement, Token, line_of, tokens
from pg_lifecycle.syntax import Routine, SourceFile

Rule = Callable[[SourceFile], Iterator[Finding]]

RULES: list[Rule] = []

SEARCH_PATH = ("pg_catalog", "pg_temp")
MAX_LINE = 120
BODY_ADVICE, BODY_LIMIT = 80, 100
_TAIL = [("dry_run", "boolean"), ("expected_plan", "text"), ("search_path", "text")]
_TAKES_BACK = re.compile(r"(rollback|drop|purge|finish|archive|detach)_|erase|prepare_uninstall")


def rule(function: Rule) -> Rule:
    """Registers a rule."""
    RULES.append(function)
    return function


def check(file: SourceFile) -> Iterator[Finding]:
    """Yields what the house rules object to in one file."""
    for function in RULES:
        yield from function(file)


def check_privileges(files: list[SourceFile]) -> Iterator[Finding]:
    """REVOKE ALL ON ALL ROUTINES stands in sql/privileges.sql (ALL FUNCTIONS would leave procedures to PUBLIC)."""
    path = "sql/privileges.sql"
    wanted = "REVOKE ALL ON ALL ROUTINES IN SCHEMA LIFECYCLE FROM PUBLIC"
    for file in files:
        if file.part.path == path and any(_words(statement) == wanted for statement in file.statements):
            return
    yield Finding(path, 1, "revoke", "without REVOKE ALL ON ALL ROUTINES IN SCHEMA lifecycle FROM PUBLIC")


@cache
def keywords() -> dict[str, str]:
    """Keyword and category (U, C, T, R as in pg_get_keywords) of every keyword."""
    text = resources.files("pg_lifecycle").joinpath("keywords.txt").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        word, _, category = line.partition(" ")
        if word and word != "#":
            found[word] = category
    return found


@rule
def text_layout(file: SourceFile) -> Iterator[Finding]:
    """No tabs, no trailing blanks, no long lines, no noqa: in bodies too, which sqlfluff does not look into."""
    for number, line in enumerate(file.part.text.splitlines(), 1):
        if "\t" in line:
            yield Finding(file.part.path, number, "tab", "tab character: indent by four blanks")
        if line != line.rstrip():
            yield Finding(file.part.path, number, "trailing-blank", "blank at the end of the line")
        if len(line) > MAX_LINE:
            yield Finding(file.part.path, number, "line-length", f"{len(line)} characters, {MAX_LINE} are the limit")
        if re.search(r"--\s*noqa", line):
            yield Finding(
                file.part.path, number, "noqa", "switches sqlfluff off: list the file in lint.UNPARSABLE instead"
            )


@rule
def plain_create(file: SourceFile) -> Iterator[Finding]:
    """CREATE, never OR REPLACE or IF NOT EXISTS, which would take over an object that somebody else made."""
    for statement in file.statements:
        words = [token.upper for token in statement.tokens[:9]]
        if words[:3] == ["CREATE", "OR", "REPLACE"]:
            yield _at(file, statement, "or-replace", "CREATE OR REPLACE: write CREATE")
        if words[0] == "CREATE" and "IF NOT EXISTS" in " ".join(words):
            yield _at(file, statement, "if-not-exists", "CREATE … IF NOT EXISTS: write CREATE")


@rule
def search_path(file: SourceFile) -> Iterator[Finding]:
    """A pinned path on every routine, but for procedures that commit, which cannot have one."""
    for routine in file.routines:
        if routine.is_procedure and _commits(routine):
            if routine.search_path is not None or routine.security_definer:
                message = "a procedure that commits can have neither SET nor SECURITY DEFINER"
                yield _at(file, routine.statement, "commit-with-set", message)
        elif routine.search_path != SEARCH_PATH:
            message = f"{routine.name} without SET search_path = pg_catalog, pg_temp"
            yield _at(file, routine.statement, "search-path", message)


@rule
def definer_says_why(file: SourceFile) -> Iterator[Finding]:
    """SECURITY DEFINER needs a comment directly above CREATE: `-- SECURITY DEFINER because …`."""
    for routine in file.routines:
        above = _comment_above(file.part.text, routine.statement.start)
        if routine.security_definer and "SECURITY DEFINER because" not in above:
            message = f"{routine.name} without a comment line above CREATE that says SECURITY DEFINER because …"
            yield _at(file, routine.statement, "definer", message)


@rule
def commented(file: SourceFile) -> Iterator[Finding]:
    """COMMENT ON for every routine, and for every public table, view, type and schema, in the same file."""
    for routine in file.routines:
        text = file.comments.get(("routine", routine.signature))
        if not text:
            yield _at(file, routine.statement, "comment", f"no COMMENT ON for {routine.signature} in this file")
        elif routine.is_public and (missing := [s for s in _sections(routine) if not _has_section(text, s)]):
            message = f"the comment of {routine.name} is without {', '.join(missing)}"
            yield _at(file, routine.statement, "comment-sections", message)
    for made in file.created:
        if not made.name.split(".")[-1].startswith("_") and not file.comments.get((made.kind, made.name)):
            yield Finding(
                file.part.path, made.line, "comment", f"no COMMENT ON for {made.kind} {made.name} in this file"
            )


@rule
def one_routine_a_file(file: SourceFile) -> Iterator[Finding]:
    """One public routine a file, named after it (overloads together); private helpers may stand above it.

    Private routines that share a file of their own give it a name with an underscore.
    """
    stem = PurePosixPath(file.part.path).stem
    if not file.routines:
        return
    public = {routine.name for routine in file.routines if routine.is_public}
    if len(public) > 1:
        first = next(r for r in file.routines if r.is_public and r.name != stem)
        yield _at(
            file, first.statement, "one-routine", f"{', '.join(sorted(public))} in one file: one public routine a file"
        )
    elif stem not in public and (public or not stem.startswith("_")):
        last = file.routines[-1]
        yield _at(file, last.statement, "file-name", f"the file of {last.name} must be called {last.name}.sql")


@rule
def parameter_names(file: SourceFile) -> Iterator[Finding]:
    """No parameter is a keyword that needs quotes (category U never does); no overloads share all names."""
    seen: dict[tuple[str, frozenset[str]], str] = {}
    for routine in file.routines:
        for parameter in routine.parameters:
            if keywords().get(parameter.name.lower(), "U") != "U":
                message = f"parameter {parameter.name} of {routine.name} is a keyword"
                yield _at(file, routine.statement, "keyword", message)
        names = (routine.name, frozenset(p.name for p in routine.parameters))
        if routine.is_public and names in seen:
            message = f"{routine.signature} has the argument names of {seen[names]}: no JSON call could choose"
            yield _at(file, routine.statement, "overload", message)
        seen[names] = routine.signature


@rule
def target_first(file: SourceFile) -> Iterator[Finding]:
    """`target regclass` comes first; only a count, which may come alone, stands before it."""
    for routine in file.routines:
        names = [parameter.name for parameter in routine.parameters]
        if not routine.is_public or "target" not in names:
            continue
        at = names.index("target")
        if routine.parameters[at].type != "regclass":
            message = f"target of {routine.name} is {routine.parameters[at].type}, not regclass"
            yield _at(file, routine.statement, "target", message)
        elif any(parameter.type != "integer" for parameter in routine.parameters[:at]):
            yield _at(file, routine.statement, "target", f"target is not the first parameter of {routine.name}")


@rule
def change_functions(file: SourceFile) -> Iterator[Finding]:
    """Change functions end with dry_run, expected_plan, search_path, and return the steps."""
    for routine in file.routines:
        if not routine.is_public or "expected_plan" not in {parameter.name for parameter in routine.parameters}:
            continue
        if [(parameter.name, parameter.type) for parameter in routine.parameters[-3:]] != _TAIL:
            message = f"{routine.name} must end with (dry_run boolean, expected_plan text, search_path text)"
            yield _at(file, routine.statement, "change-tail", message)
        if routine.returns != "SETOF lifecycle.step_result":
            message = f"{routine.name} must return SETOF lifecycle.step_result, not {routine.returns}"
            yield _at(file, routine.statement, "change-result", message)


@rule
def dry_run_default(file: SourceFile) -> Iterator[Finding]:
    """What takes back or destroys only plans unless told otherwise; what builds, builds."""
    for routine in file.routines:
        expected = "true" if _TAKES_BACK.match(routine.name) else "false"
        for parameter in routine.parameters:
            if not routine.is_public or parameter.name != "dry_run":
                continue
            if (parameter.default or "none") != expected:
                message = f"dry_run of {routine.name} defaults to {parameter.default}, must be {expected}"
                yield _at(file, routine.statement, "dry-run-default", message)


@rule
def others_keeps_sqlstate(file: SourceFile) -> Iterator[Finding]:
    """WHEN OTHERS raises again, or takes RETURNED_SQLSTATE."""
    for routine in file.routines:
        for kind, node, line in _nodes(routine):
            if kind == "PLpgSQL_exception" and _is_others(node) and not _keeps_sqlstate(node):
                message = "WHEN OTHERS loses the SQLSTATE: RAISE; or GET STACKED DIAGNOSTICS … = RETURNED_SQLSTATE"
                yield Finding(file.part.path, _others_line(routine, line), "others", message)


@rule
def no_name_parsing(file: SourceFile) -> Iterator[Finding]:
    """No split_part: objects are identified by oid, bounds by the catalog, never by the parts of a name."""
    for routine in file.routines:
        for token in _body_tokens(routine):
            if token.upper == "SPLIT_PART":
                line = _body_line(routine, token.start)
                yield Finding(
                    file.part.path, line, "split-part", "split_part: ask the catalog, do not take names apart"
                )


@rule
def no_concatenated_execute(file: SourceFile) -> Iterator[Finding]:
    """The text of EXECUTE comes from format(), never from ||."""
    for routine in file.routines:
        for kind, node, line in _nodes(routine):
            query = node.get("dynquery" if kind == "PLpgSQL_stmt_return_query" else "query")
            dynamic = kind in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors") or "dynquery" in node
            if dynamic and query and _concatenates(query["PLpgSQL_expr"]["query"]):
                message = "EXECUTE of a concatenation: use format() with %I and %L, or USING"
                yield Finding(file.part.path, line, "execute", message)


@rule
def body_length(file: SourceFile) -> Iterator[Finding]:
    """Bodies stay readable."""
    for routine in file.routines:
        lines = (routine.body or "").strip("\n").count("\n") + 1
        if lines > BODY_ADVICE:
            message = (
                f"the body of {routine.name} has {lines} lines, about {BODY_ADVICE} are good, {BODY_LIMIT} the limit"
            )
            yield Finding(file.part.path, routine.statement.line, "body-length", message, lines <= BODY_LIMIT)


@rule
def dollar_tag(file: SourceFile) -> Iterator[Finding]:
    """Bodies stand between $fn$."""
    for routine in file.routines:
        if routine.body is not None and not any(t.text.startswith("$fn$") for t in routine.statement.tokens):
            yield _at(file, routine.statement, "dollar-tag", f"the body of {routine.name} does not stand between $fn$")


def _at(file: SourceFile, statement: Statement, name: str, message: str) -> Finding:
    return Finding(file.part.path, statement.line, name, message)


def _words(statement: Statement) -> str:
    return " ".join(token.upper for token in statement.tokens)


def _sections(routine: Routine) -> list[str]:
    wanted = ["Errors", "Example"]
    if not routine.is_procedure:
        wanted.insert(0, "Returns")
    if routine.parameters:
        wanted.insert(0, "Arguments")
    return wanted


def _has_section(text: str, section: str) -> bool:
    return re.search(rf"(?m)^{section}: *\S", text) is not None


def _comment_above(text: str, start: int) -> str:
    """The comment lines that end directly above an offset."""
    lines = text[:start].rstrip(" ").split("\n")[:-1]
    found: list[str] = []
    while lines and lines[-1].startswith("--"):
        found.append(lines.pop())
    return "\n".join(found)


def _nodes(routine: Routine) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Nodes of the body; none where it has a syntax error, which is reported elsewhere."""
    if routine.parses:
        yield from routine.nodes()


def _body_tokens(routine: Routine) -> list[Token]:
    if routine.body is None:
        return []
    return [token for token in tokens(routine.body, routine.path) if token.kind not in ("space", "comment")]


def _body_line(routine: Routine, offset: int) -> int:
    return routine.body_line + line_of(routine.body or "", offset) - 1


def _commits(routine: Routine) -> bool:
    return any(token.upper in ("COMMIT", "ROLLBACK", "CALL") for token in _body_tokens(routine))


def _is_others(node: dict[str, Any]) -> bool:
    return '"others"' in json.dumps(node.get("conditions", []))


def _keeps_sqlstate(node: dict[str, Any]) -> bool:
    action = json.dumps(node.get("action", []))
    bare_raise = re.search(r'"PLpgSQL_stmt_raise": \{"lineno": \d+, "elog_level": 21\}', action)
    return bare_raise is not None or '"RETURNED_SQLSTATE"' in action


def _others_line(routine: Routine, fallback: int) -> int:
    """The parser keeps no line for a handler: the first WHEN OTHERS of the body at or after the block's line."""
    found = [m.start() for m in re.finditer(r"(?i)\bWHEN\s+OTHERS\b", routine.body or "")]
    lines = [_body_line(routine, offset) for offset in found]
    return next((line for line in lines if line >= fallback), fallback)


def _concatenates(expression: str) -> bool:
    """Whether || joins the text of the statement itself: outside of parentheses, or in the pattern of format()."""
    found = [token for token in tokens(expression) if token.kind not in ("space", "comment")]
    depth, in_pattern = 0, bool(found) and found[0].upper == "FORMAT"
    for at, token in enumerate(found):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 1:
            in_pattern = False
        joins = token.text == "|" and found[at - 1].text == "|"
        if joins and (depth == 0 or (depth == 1 and in_pattern)):
            return True
    return False
