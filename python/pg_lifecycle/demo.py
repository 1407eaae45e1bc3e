"""``python -m pg_lifecycle demo``: runs the coaching example and says what it did.

What it does is written in docs/examples/coaching/*.sql. This module starts a server, hands it the files, and prints.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pg_lifecycle.server import Server, ServerError, serve
from pg_lifecycle.server.serve import stop, stop_command

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "coaching"
BUILD = ("01_schema", "02_partitions", "03_data", "04_soft_delete", "05_materialized_views", "06_api", "07_maintenance")
OWNER = "coaching_owner"
MARK = "pg_lifecycle demo"  # comment on the database: one that bears it may be made anew
WIDTH = 110


class DemoError(Exception):
    """The demo did not do what it promises."""


@dataclass(frozen=True)
class Result:
    """What one statement returned."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


@dataclass(frozen=True)
class Scene:
    """A heading of tour.sql with its statements; `fails`: they are meant to end in an error."""

    heading: str
    statements: str
    fails: bool


class Progress:
    """Prints the server's notices, at most about two a second, while something long runs."""

    def __init__(self) -> None:
        self.printed = time.monotonic()

    def __call__(self, notice: psycopg.errors.Diagnostic) -> None:
        """Takes one notice."""
        if time.monotonic() - self.printed > 0.5:
            self.printed = time.monotonic()
            print(f"      {notice.message_primary}", flush=True)


def main(arguments: Sequence[str]) -> int:
    """Runs the demo; 0 when all that it checks is as expected."""
    options = _parser().parse_args(arguments)
    try:
        _demo(options)
    except (DemoError, ServerError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except psycopg.Error as error:
        print(f"\n{_error_text(error)}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pg_lifecycle demo", description="Runs docs/examples/coaching on a server.")
    parser.add_argument(
        "--server",
        default=os.environ.get("SERVER") or "embedded",
        help="docker[:major], local[:pg_config], embedded[:major] or dsn:... (default: $SERVER, else embedded)",
    )
    parser.add_argument("--data", type=Path, help="where the server keeps its files (default: in the cache)")
    parser.add_argument("--database", default="coaching", help="made by this command (default: coaching)")
    parser.add_argument("--metrics", type=int, default=200_000, help="rows of daily_metrics (default: 200000)")
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--coaches", type=int, default=200)
    parser.add_argument("--check", action="store_true", help="also roll everything back and compare the schema")
    parser.add_argument("--stop-at-end", action="store_true", help="remove the server again")
    return parser


def _demo(options: argparse.Namespace) -> None:
    begun = time.monotonic()
    print(f"Starting the server: {options.server}", flush=True)
    server = serve(options.server, options.data)
    try:
        print(f"The coaching system on {server}, {options.metrics:,} daily metrics\n")
        _prepare(server, options.database)
        before = _build(server, options)
        with _connect(server, options) as connection:
            _tour(connection)
            _verify(connection)
        if options.check:
            _check_rollback(server, options, before)
        print(f"\nDone in {time.monotonic() - begun:.0f} s.")
    finally:
        if options.stop_at_end:
            stop(options.server, options.data)
            print("The server is stopped and removed.")
    if not options.stop_at_end:
        print(f"Look around:  {server.psql_command(options.database)}")
        print(f"Stop it:      {stop_command(options.server, options.data)}")


def _prepare(server: Server, database: str) -> None:
    """Roles, an empty database that belongs to a role without any privilege, and the extension made by that role."""
    name = sql.Identifier(database)
    with server.connect() as connection:
        connection.execute(_text("00_roles"))
        found = connection.execute(
            "SELECT pg_catalog.shobj_description(d.oid, 'pg_database') FROM pg_catalog.pg_database AS d"
            " WHERE d.datname = %s",
            [database],
        ).fetchone()
        if found and found[0] != MARK:
            raise DemoError(f"a database {database} stands that is not the demo's: choose another with --database")
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, sql.Identifier(OWNER)))
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, MARK))
    with server.connect(database) as connection:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(OWNER)))
        connection.execute("CREATE EXTENSION pg_lifecycle")


def _build(server: Server, options: argparse.Namespace) -> str:
    """Runs the files that build the system; returns the schema as it was before soft delete came."""
    before = ""
    with _connect(server, options) as connection:
        for name in BUILD:
            if name == "04_soft_delete" and options.check:
                before = _schema(server, options.database)
            print(f"  {name}.sql: {_text(name).splitlines()[0].removeprefix('-- ')}", flush=True)
            started = time.monotonic()
            results = _run(connection, _text(name))
            steps = sum(len(r.rows) for r in results)
            done = f"{time.monotonic() - started:.1f} s" + (f", {steps} steps" if steps > 1 else "")
            print(f"      {done}", flush=True)
    return before


def _tour(connection: psycopg.Connection) -> None:
    for scene in _scenes(_text("tour")):
        print(f"\n{scene.heading}", flush=True)
        started = time.monotonic()
        try:
            for result in _run(connection, scene.statements):
                _print(result)
        except psycopg.Error as error:
            if not scene.fails:
                raise
            print("    " + _error_text(error).replace("\n", "\n    "))
        else:
            if scene.fails:
                raise DemoError(f"should have been refused: {scene.statements}")
        if time.monotonic() - started > 1:
            print(f"    ({time.monotonic() - started:.1f} s)")


def _verify(connection: psycopg.Connection) -> None:
    """The last query of 08_verify.sql is the verdict: its last column says whether the figure is right."""
    print("\nThe figures, recounted independently", flush=True)
    verdict = _run(connection, _text("08_verify"))[-1]
    _print(verdict)
    wrong = [str(row[0]) for row in verdict.rows if not row[-1]]
    if wrong or not verdict.rows:
        raise DemoError("wrong: " + "; ".join(wrong or ["there is no verdict"]))


def _check_rollback(server: Server, options: argparse.Namespace, before: str) -> None:
    with _connect(server, options) as connection:
        _run(connection, _text("09_rollback"))
    if _schema(server, options.database) != before:
        raise DemoError("09_rollback.sql leaves another schema than there was before 04_soft_delete.sql")
    print("\nRolled back: the schema is what it was before soft delete.")


def _connect(server: Server, options: argparse.Namespace) -> psycopg.Connection:
    """As the owner of the tables, with the sizes as settings."""
    settings = {
        "role": OWNER,
        "coaching.daily_metrics": options.metrics,
        "coaching.users": options.users,
        "coaching.coaches": options.coaches,
    }
    given = " ".join(f"-c {name}={value}" for name, value in settings.items())
    connection = psycopg.connect(make_conninfo(server.dsn(options.database), options=given), autocommit=True)
    connection.add_notice_handler(Progress())
    return connection


def _run(connection: psycopg.Connection, statements: str) -> list[Result]:
    """Runs a script as one transaction, and returns the results of those statements that have any."""
    cursor = connection.execute(statements)
    results = []
    while True:
        if cursor.description and cursor.description[0].name != "set_config":
            results.append(Result([column.name for column in cursor.description], cursor.fetchall()))
        if not cursor.nextset():
            return results


def _scenes(text: str) -> Iterator[Scene]:
    parts = re.split(r"^--([:!]) (.*)\n", text, flags=re.MULTILINE)[1:]
    for kind, heading, statements in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        yield Scene(heading, statements, kind == "!")


def _print(result: Result) -> None:
    """A plain table: numbers to the right, what is too long is cut."""
    cells = [[_shown(value) for value in row] for row in result.rows]
    widths = [max(map(len, column)) for column in zip(result.columns, *cells, strict=True)]
    numeric = [all(isinstance(row[i], int | float | Decimal) for row in result.rows) for i in range(len(widths))]
    for row in [result.columns, *cells]:
        line = (c.rjust(w) if n else c.ljust(w) for c, w, n in zip(row, widths, numeric, strict=True))
        print("    " + "  ".join(line).rstrip())


def _shown(value: object) -> str:
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case dict():
            text = json.dumps(value)
        case _:
            text = str(value)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def _schema(server: Server, database: str) -> str:
    """The schema without the key that pg_dump draws by lot."""
    return re.sub(r"^\\(un)?restrict .*\n", "", server.dump(database, "--schema-only"), flags=re.MULTILINE)


def _error_text(error: psycopg.Error) -> str:
    said = error.diag
    labelled = {
        f"ERROR {error.sqlstate}": said.message_primary or str(error),
        "DETAIL": said.message_detail,
        "HINT": said.message_hint,
    }
    return "\n".join(f"{label}: {text}" for label, text in labelled.items() if text)


def _text(name: str) -> str:
    return (EXAMPLE / f"{name}.sql").read_text(encoding="utf-8")
