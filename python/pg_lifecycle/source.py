"""Reads SQL sources: tokens, statements, and the objects they create. Standard library only.

This is not a parser of SQL (pglast is, in the lint). It knows where strings, comments and statements end, which is all
that putting files together needs, so that ``make install`` asks for nothing but python3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TOKEN = re.compile(
    r"""
      (?P<space>\s+)
    | (?P<comment>--[^\n]*|/\*)
    | (?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
    | (?P<dollar>\$(?:[^\W\d]\w*)?\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<other>\d[\w.]*|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_SERIAL = {"serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"}
_KINDS = ("SCHEMA", "TYPE", "DOMAIN", "TABLE", "SEQUENCE", "MATERIALIZED VIEW", "VIEW", "FUNCTION", "PROCEDURE")
_DEPENDENT = ("INDEX", "UNIQUE INDEX", "TRIGGER", "CONSTRAINT TRIGGER", "POLICY", "RULE")


class SourceError(Exception):
    """A source that cannot be read or built; the message begins with ``file:line:``."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check objects to, at a line (counted from 1) of a file (relative to the repository).

    A warning is shown and does not fail the check.
    """

    path: str
    line: int
    rule: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        """``file:line: rule: message``, which editors and CI systems understand."""
        return f"{self.path}:{self.line}: {self.rule}: {'warning: ' if self.is_warning else ''}{self.message}"


@dataclass(frozen=True)
class Allowed:
    """A finding that stands: the check or code, a pattern of what it is about, and why it is no fault."""

    code: str
    pattern: str
    reason: str

    def covers(self, code: str, text: str) -> bool:
        """Whether this entry is about a finding of that code and text."""
        return code == self.code and re.search(self.pattern, text) is not None


@dataclass(frozen=True)
class Token:
    """A token: ``kind`` is space, comment, string, quoted, word or other; ``start`` an offset in characters."""

    kind: str
    text: str
    start: int

    @property
    def upper(self) -> str:
        """The text in upper case, for comparison with keywords."""
        return self.text.upper() if self.kind == "word" else self.text


@dataclass(frozen=True)
class Statement:
    """A statement without its leading comments; ``tokens`` holds no blanks, no comments and no final semicolon."""

    text: str
    start: int
    line: int
    tokens: tuple[Token, ...]

    @property
    def head(self) -> str:
        """The first four tokens in upper case, joined by blanks."""
        return " ".join(token.upper for token in self.tokens[:4])


@dataclass(frozen=True)
class Member:
    """An object that a statement creates: ``kind`` and ``identity`` as ALTER EXTENSION … ADD wants them."""

    kind: str
    identity: str


@dataclass(frozen=True)
class Part:
    """One source file; ``path`` is relative to the repository."""

    path: str
    text: str

    def statements(self) -> list[Statement]:
        """The statements of the file, in order. Raises SourceError for text that does not end properly."""
        return list(statements(self.text, self.path))


def tokens(text: str, path: str = "<text>") -> Iterator[Token]:
    """Yields every token of ``text``, blanks and comments included. Raises SourceError for an unclosed one."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:  # cannot happen: `.` matches anything
            raise _error(path, text, position, "unreadable text")
        kind, end = match.lastgroup, match.end()
        if kind == "dollar":
            kind, end = "string", _after(text, match.group(), end, path)
        elif match.group() == "/*":
            end = _after_comment(text, end, path)
        elif match.group() in ("'", '"'):
            raise _error(path, text, position, f"unclosed {match.group()}")
        yield Token(kind, text[position:end], position)
        position = end


def statements(text: str, path: str = "<text>") -> Iterator[Statement]:
    """Yields the statements of ``text``. Raises SourceError when the last one lacks its semicolon."""
    kept: list[Token] = []
    depth = 0
    for token in tokens(text, path):
        if token.kind in ("space", "comment"):
            continue
        if token.text == ";" and depth == 0:
            if kept:
                start = kept[0].start
                yield Statement(text[start : token.start + 1], start, line_of(text, start), tuple(kept))
            kept = []
            continue
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.upper == "ATOMIC" and kept and kept[-1].upper == "BEGIN":
            raise _error(path, text, token.start, "BEGIN ATOMIC is not supported: write the body as a string")
        kept.append(token)
    if kept:
        raise _error(path, text, kept[0].start, "statement without a semicolon at its end")


def members(statement: Statement, path: str = "<text>") -> list[Member]:
    """What the statement makes a member of the extension: the object, and the sequences of a table's columns.

    Raises SourceError for a CREATE of a kind this function does not know, rather than forget a member.
    """
    words = [token.upper for token in statement.tokens]
    if not words or words[0] != "CREATE":
        return []
    at = 1
    while words[at] in ("OR", "REPLACE", "UNLOGGED", "RECURSIVE"):
        at += 1
    if words[at] == "CAST":
        return [Member("CAST", _cast(statement, at + 1))]
    two = " ".join(words[at : at + 2])
    if words[at] in _DEPENDENT or two in _DEPENDENT:
        return []
    kind = next((kind for kind in _KINDS if kind in (words[at], two)), None)
    if kind is None:
        raise SourceError(f"{path}:{statement.line}: adoption: do not know how to adopt CREATE {two}")
    at += kind.count(" ") + 1
    name, after = _name(statement.tokens, at)
    if kind in ("FUNCTION", "PROCEDURE"):
        arguments = ", ".join(_argument(item) for item in _items(statement.tokens, after))
        return [Member(kind, f"{name}({arguments})")]
    found = [Member(kind, name)]
    if kind == "TABLE":
        found += [Member("SEQUENCE", f"{name}_{column}_seq") for column in _sequence_columns(statement.tokens, after)]
    return found


def _cast(statement: Statement, opening: int) -> str:
    closing = next(token for token in statement.tokens[opening:] if token.text == ")")
    first, last = statement.tokens[opening].start - statement.start, closing.start - statement.start
    return statement.text[first : last + 1]


def line_of(text: str, offset: int) -> int:
    """The line (counted from 1) of an offset in characters."""
    return text.count("\n", 0, offset) + 1


def parameter_names(statement: Statement) -> list[str]:
    """Names of the parameters of a CREATE FUNCTION or PROCEDURE, in order, OUT ones included."""
    start = next(i for i, token in enumerate(statement.tokens) if token.upper in ("FUNCTION", "PROCEDURE"))
    _, after = _name(statement.tokens, start + 1)
    names = []
    for item in _items(statement.tokens, after):
        words = [token for token in item if token.upper not in ("IN", "OUT", "INOUT", "VARIADIC")]
        names.append(words[0].text.strip('"'))
    return names


def read_part(root: Path, path: str) -> Part:
    """Reads one source. Raises SourceError when it is not UTF-8, OSError when it cannot be read."""
    raw = (root / path).read_bytes()
    try:
        return Part(path, raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SourceError(f"{path}:{line}: encoding: not UTF-8") from error


def _error(path: str, text: str, offset: int, message: str) -> SourceError:
    return SourceError(f"{path}:{line_of(text, offset)}: syntax: {message}")


def _after(text: str, closing: str, start: int, path: str) -> int:
    end = text.find(closing, start)
    if end < 0:
        raise _error(path, text, start, f"unclosed {closing}")
    return end + len(closing)


def _after_comment(text: str, start: int, path: str) -> int:
    depth, position = 1, start
    while depth:
        match = re.compile(r"/\*|\*/").search(text, position)
        if match is None:
            raise _error(path, text, start, "unclosed /*")
        depth += 1 if match.group() == "/*" else -1
        position = match.end()
    return position


def _name(toks: tuple[Token, ...], at: int) -> tuple[str, int]:
    """The possibly qualified name at ``at``, and the index after it."""
    name = toks[at].text
    at += 1
    while at + 1 < len(toks) and toks[at].text == ".":
        name += "." + toks[at + 1].text
        at += 2
    return name, at


def _items(toks: tuple[Token, ...], at: int) -> list[list[Token]]:
    """The comma-separated items of the parenthesis that opens at ``at``."""
    found: list[list[Token]] = [[]]
    depth = 0
    for token in toks[at:]:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if depth == 0:
            break
        if token.text == "," and depth == 1:
            found.append([])
        elif not (token.text == "(" and depth == 1 and found == [[]]):
            found[-1].append(token)
    return [item for item in found if item]


def _argument(item: list[Token]) -> str:
    """An argument without its default: ``dry_run boolean DEFAULT false`` becomes ``dry_run boolean``."""
    text = ""
    for token in item:
        if token.upper == "DEFAULT" or token.text in ("=", ":"):
            break
        glued = not text or token.text in ".,()[]" or text[-1] in ".(["
        text += token.text if glued else " " + token.text
    return text


def _sequence_columns(toks: tuple[Token, ...], at: int) -> list[str]:
    """Columns of a CREATE TABLE that own a sequence: identity columns and the serial types."""
    columns = []
    for item in _items(toks, at):
        words = [token.upper for token in item]
        identity = "IDENTITY" in words and "GENERATED" in words
        if identity or (len(item) > 1 and item[1].text.lower() in _SERIAL):
            columns.append(item[0].text.strip('"'))
    return columns
