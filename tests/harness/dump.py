"""Dumps that can be compared: what may differ between two equal databases is taken out or put in order."""

from __future__ import annotations

import re

# \restrict carries a random key in each dump (minors since August 2025); the versions are those of the programs.
_VOLATILE = re.compile(r"^(\\(un)?restrict \w+|-- Dumped (from|by) .* version .*|-- (Started|Completed) on .*)$")
_ENTRY = re.compile(r"^-- (Data for )?Name: .*; Type: (?P<type>[^;]+);")
_ACL_TYPES = {"ACL", "DEFAULT ACL"}


def normalise(dump: str, sort_rows: bool = False) -> str:
    """A dump without volatile lines and with each object's ACL as a set; `sort_rows` makes table data sets too."""
    lines = [line for line in dump.splitlines() if not _VOLATILE.match(line)]
    text = "\n".join(_collapse_blank(_sort_acls(lines)))
    return _sort_copies(text) if sort_rows else text


def _collapse_blank(lines: list[str]) -> list[str]:
    return [line for at, line in enumerate(lines) if line or (at and lines[at - 1])]


def _sort_acls(lines: list[str]) -> list[str]:
    """Sorts the statements of each ACL entry: which grant came first is no property of the database."""
    done: list[str] = []
    statements: list[str] = []
    in_acl = False
    for line in lines:
        entry = _ENTRY.match(line)
        if entry or line.startswith("--"):
            done += _in_order(statements)
            statements = []
        if entry:
            in_acl = entry["type"] in _ACL_TYPES
        if in_acl and line and not line.startswith("--"):
            statements.append(line)
        else:
            done.append(line)
    return done + _in_order(statements)


def _in_order(statements: list[str]) -> list[str]:
    """Sorts statements; those between SET and RESET SESSION AUTHORIZATION stay with their SET."""
    units: list[str] = []
    grantor: list[str] = []
    for statement in statements:
        if statement.startswith("SET SESSION AUTHORIZATION"):
            grantor = [statement]
        elif grantor:
            units += ["\n".join([*grantor, statement])] if not statement.startswith("RESET SESSION") else []
            grantor = [] if statement.startswith("RESET SESSION") else grantor
        else:
            units.append(statement)
    return sorted(units)


def _sort_copies(text: str) -> str:
    def in_order(match: re.Match[str]) -> str:
        rows = sorted(match["rows"].splitlines())
        return "\n".join([match["head"], *rows, r"\."])

    return re.sub(r"(?m)^(?P<head>COPY .* FROM stdin;)\n(?P<rows>(?:.*\n)*?)\\\.$", in_order, text)
