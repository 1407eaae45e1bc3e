"""The sources as the parser of PostgreSQL sees them (pglast): routines, comments, and the bodies of plpgsql."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pglast import ast, enums, parse_plpgsql, parse_sql
from pglast.parser import ParseError
from pglast.stream import RawStream

from pg_lifecycle.source import Finding, Part, SourceError, Statement, line_of

_INPUT = {"i", "b", "v", "d"}
_COMMENTED = {
    enums.ObjectType.OBJECT_FUNCTION: "routine",
    enums.ObjectType.OBJECT_PROCEDURE: "routine",
    enums.ObjectType.OBJECT_ROUTINE: "routine",
    enums.ObjectType.OBJECT_VIEW: "view",
    enums.ObjectType.OBJECT_TABLE: "table",
    enums.ObjectType.OBJECT_TYPE: "type",
    enums.ObjectType.OBJECT_DOMAIN: "type",
    enums.ObjectType.OBJECT_SCHEMA: "schema",
    enums.ObjectType.OBJECT_MATVIEW: "view",
}


@dataclass(frozen=True)
class Parameter:
    """A parameter of a routine; ``default`` is its SQL text, or None."""

    name: str
    type: str
    mode: str
    default: str | None

    def __str__(self) -> str:
        """As it stands in a signature."""
        mode = {"o": "OUT ", "b": "INOUT ", "v": "VARIADIC "}.get(self.mode, "")
        default = "" if self.default is None else f" DEFAULT {self.default}"
        return f"{mode}{self.name} {self.type}{default}"


@dataclass(frozen=True)
class Routine:
    """A function or procedure as a source defines it."""

    statement: Statement
    path: str
    schema: str
    name: str
    is_procedure: bool
    parameters: tuple[Parameter, ...]
    returns: str | None
    language: str
    security_definer: bool
    search_path: tuple[str, ...] | None
    body: str | None
    body_line: int

    @property
    def is_public(self) -> bool:
        """Whether the routine belongs to the API: its name has no leading underscore."""
        return not self.name.startswith("_")

    @property
    def signature(self) -> str:
        """Name and input types, which identify the routine: ``lifecycle.f(regclass, text[])``."""
        types = ", ".join(p.type for p in self.parameters if self.is_procedure or p.mode in _INPUT)
        return f"{self.schema}.{self.name}({types})"

    @cached_property
    def tree(self) -> dict[str, Any] | None:
        """The syntax tree of a plpgsql body; None for another language. Raises ParseError."""
        if self.language != "plpgsql" or self.body is None:
            return None
        function: dict[str, Any] = parse_plpgsql(_neutral(self.statement.text))[0]["PLpgSQL_function"]
        return function

    @property
    def parses(self) -> bool:
        """Whether the body has a tree: it is plpgsql, without a syntax error."""
        try:
            return self.tree is not None
        except ParseError:
            return False

    def nodes(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        """Yields every node of the body: its kind, its content and its line in the file."""
        yield from _walk(self.tree, self.body_line, self.body_line)


@dataclass(frozen=True)
class Created:
    """A table, view, type or schema that a source creates."""

    kind: str
    name: str
    line: int


@dataclass
class SourceFile:
    """One source file, parsed; what could not be parsed is in ``findings``."""

    part: Part
    statements: list[Statement] = field(default_factory=list)
    routines: list[Routine] = field(default_factory=list)
    created: list[Created] = field(default_factory=list)
    comments: dict[tuple[str, str], str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def read(part: Part) -> SourceFile:
    """Parses every statement and every plpgsql body of a file."""
    file = SourceFile(part)
    try:
        file.statements = part.statements()
    except SourceError as error:
        _, line, rule, message = str(error).split(":", 3)
        file.findings.append(Finding(part.path, int(line), rule.strip(), message.strip()))
    for statement in file.statements:
        try:
            node = parse_sql(statement.text)[0].stmt
        except ParseError as error:
            offset = statement.start + (error.args[1] if len(error.args) > 1 else 0)
            file.findings.append(Finding(part.path, line_of(part.text, offset), "syntax", error.args[0]))
            continue
        _take(file, statement, node)
    return file


# pglast declares every attribute of every node as optional; what the parser returns is complete. Hence Any.
def _take(file: SourceFile, statement: Statement, node: Any) -> None:
    kind = type(node)
    if kind is ast.CreateFunctionStmt:
        routine = _routine(file.part, statement, node)
        file.routines.append(routine)
        file.findings += _check_body(routine)
    elif kind is ast.DoStmt:
        file.findings += _check_do(file.part, statement)
    elif kind is ast.CommentStmt and node.objtype in _COMMENTED:
        file.comments[_COMMENTED[node.objtype], _commented(node.object)] = node.comment or ""
    elif kind in _CREATED:
        made, name = _CREATED[kind]
        file.created.append(Created(made, name(node), statement.line))


def _routine(part: Part, statement: Statement, node: Any) -> Routine:
    options = {option.defname: option.arg for option in node.options or () if option.defname != "set"}
    paths = [o.arg for o in node.options or () if o.defname == "set" and o.arg.name == "search_path"]
    path = tuple(_constant(value) for value in paths[0].args or ()) if paths else None
    opening = next((t for t in statement.tokens if t.kind == "string" and t.text.startswith("$")), None)
    body = options["as"][0].sval if "as" in options else None
    return Routine(
        statement=statement,
        path=part.path,
        schema=node.funcname[0].sval if len(node.funcname) > 1 else "",
        name=node.funcname[-1].sval,
        is_procedure=bool(node.is_procedure),
        parameters=tuple(_parameter(p) for p in node.parameters or () if p.mode.value != "t"),
        returns=_returns(node),
        language=options["language"].sval.lower() if "language" in options else "sql",
        security_definer="security" in options and bool(options["security"].boolval),
        search_path=path,
        body=body,
        body_line=line_of(part.text, opening.start) if opening else statement.line,
    )


def _parameter(node: Any) -> Parameter:
    default = None if node.defexpr is None else _boolean(RawStream()(node.defexpr))
    mode = "i" if node.mode.value == "d" else node.mode.value
    return Parameter(node.name or "", type_text(node.argType), mode, default)


def _boolean(text: str) -> str:
    """RawStream prints TRUE and FALSE; the sources write them small."""
    return text.lower() if text in ("TRUE", "FALSE") else text


def _returns(node: Any) -> str | None:
    columns = [p for p in node.parameters or () if p.mode.value == "t"]
    if columns:
        return "TABLE (" + ", ".join(f"{p.name} {type_text(p.argType)}" for p in columns) + ")"
    if node.returnType is None:
        return None
    return ("SETOF " if node.returnType.setof else "") + type_text(node.returnType)


def type_text(node: Any) -> str:
    """A type as SQL writes it: ``text[]``, ``lifecycle.step_result``."""
    text: str = RawStream()(node)
    return text.removeprefix("SETOF ").removeprefix("pg_catalog.")


def _commented(thing: Any) -> str:
    kind = type(thing)
    if kind is ast.ObjectWithArgs:
        types = ", ".join(type_text(argument) for argument in thing.objargs or ())
        return f"{_dotted(thing.objname)}({types})"
    if kind is ast.TypeName:
        return _dotted(thing.names)
    return str(thing.sval) if kind is ast.String else _dotted(thing)


def _relation(node: Any) -> str:
    return ".".join(part for part in (node.schemaname, node.relname) if part)


def _dotted(names: Any) -> str:
    return ".".join(name.sval for name in names)


def _constant(node: Any) -> str:
    return str(node.val.sval) if type(node) is ast.A_Const and type(node.val) is ast.String else "?"


_CREATED: dict[type, tuple[str, Callable[[Any], str]]] = {
    ast.CreateSchemaStmt: ("schema", lambda node: str(node.schemaname)),
    ast.CreateStmt: ("table", lambda node: _relation(node.relation)),
    ast.ViewStmt: ("view", lambda node: _relation(node.view)),
    ast.CreateTableAsStmt: ("view", lambda node: _relation(node.into.rel)),
    ast.CompositeTypeStmt: ("type", lambda node: _relation(node.typevar)),
    ast.CreateEnumStmt: ("type", lambda node: _dotted(node.typeName)),
    ast.CreateDomainStmt: ("type", lambda node: _dotted(node.domainname)),
}


def _neutral(text: str) -> str:
    """Types of our schemas become types that parse_plpgsql of pglast 8 can look up; lines stay where they are."""
    text = re.sub(r"\blifecycle(?:_data)?\.\w+\[\]", "text[]", text)
    text = re.sub(r"\blifecycle(?:_data)?\.", "public.", text)
    return re.sub(r"\bVARIADIC (?=\w+ \w+\[\])", "", text)


def _check_body(routine: Routine) -> Iterator[Finding]:
    try:
        routine.tree  # noqa: B018  (parses)
    except ParseError as error:
        yield Finding(routine.path, _quoted_line(routine, error.args[0]), "syntax", error.args[0])
    if routine.language == "sql" and routine.body is not None:
        try:
            parse_sql(routine.body)
        except ParseError as error:
            offset = error.args[1] if len(error.args) > 1 else 0
            line = routine.body_line + routine.body.count("\n", 0, offset)
            yield Finding(routine.path, line, "syntax", error.args[0])


def _check_do(part: Part, statement: Statement) -> Iterator[Finding]:
    try:
        parse_plpgsql(_neutral(statement.text))
    except ParseError as error:
        yield Finding(part.path, statement.line, "syntax", error.args[0])


def _quoted_line(routine: Routine, message: str) -> int:
    """The parser gives no position for a body: the line of the token it quotes, else the line of CREATE."""
    match = re.search(r'"([^"]+)"', message)
    if match and routine.body and (at := routine.body.find(match.group(1))) >= 0:
        return routine.body_line + routine.body.count("\n", 0, at)
    return routine.statement.line


def _walk(node: Any, base: int, line: int) -> Iterator[tuple[str, dict[str, Any], int]]:
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, base, line)
    elif isinstance(node, dict):
        for key, value in node.items():
            if isinstance(value, dict):
                here = base + value["lineno"] - 1 if "lineno" in value else line
                if key.startswith("PLpgSQL_"):
                    yield key, value, here
                yield from _walk(value, base, here)
            elif isinstance(value, list):
                yield from _walk(value, base, line)
