"""Calls of the core that many tests make, and what they expect back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import psycopg
import pytest

from pg_lifecycle.server import fetched

Rows = list[tuple[Any, ...]]


class Step(NamedTuple):
    """One row of lifecycle.step_result."""

    migration_id: int | None
    step: int
    stage: int
    action: str
    object: str
    statement: str | None
    status: str
    plan_hash: str
    note: str | None


class Place(Protocol):
    """Where a call can be made: a Database, a Session by its `run`, a connection."""

    def execute(self, statement: str, params: Sequence[object] | None = None, /) -> Any: ...


def rows(place: Place, statement: str, params: Sequence[object] | None = None) -> Rows:
    """The rows of a statement, wherever it is run."""
    result = place.execute(statement, params)
    return result if isinstance(result, list) else fetched(result)


def call(place: Place, name: str, **arguments: object) -> list[Step]:
    """Calls a change function with named arguments."""
    named = ", ".join(f"{key} => %s" for key in arguments)
    return [Step(*row) for row in rows(place, f"SELECT * FROM lifecycle.{name}({named})", list(arguments.values()))]


def apply(place: Place, name: str, *pairs: tuple[str, str | None], **more: object) -> list[Step]:
    """Applies a migration given as pairs of (up, down)."""
    named = "".join(f", {key} => %s" for key in more)
    statement = f"SELECT * FROM lifecycle.apply_migration(%s, %s::text[], %s::text[]{named})"
    params = [name, [up for up, _ in pairs], [down for _, down in pairs], *more.values()]
    return [Step(*row) for row in rows(place, statement, params)]


def rollback(place: Place, what: str | int | None, **more: object) -> list[Step]:
    """Rolls a migration back, by name or number."""
    key = "migration_name" if isinstance(what, str) else "migration_id"
    return call(place, "rollback_migration", **({key: what, "dry_run": False} | more))


def plan(
    place: Place,
    *steps: str,
    feature: str = "test",
    target: str | None = None,
    at_once: bool = False,
    dry_run: bool = False,
) -> list[Step]:
    """Runs a plan made of `lifecycle._step(…)` expressions, or of their arguments, through the executor."""
    made = ", ".join(s if s.startswith("lifecycle.") else f"lifecycle._step({s})" for s in steps)
    statement = (
        f"SELECT * FROM lifecycle._apply(%s, %s::regclass, ARRAY[{made}], %s, NULL, "
        "search_path => current_setting('search_path'), at_once => %s)"
    )
    return [Step(*row) for row in rows(place, statement, [feature, target, dry_run, at_once])]


def statuses(steps: Sequence[Step]) -> list[str]:
    """The status of each step."""
    return [step.status for step in steps]


@contextlib.contextmanager
def refused(sqlstate: str, *words: str) -> Iterator[None]:
    """Expects an error with this SQLSTATE, and with these words in message, DETAIL or HINT."""
    with pytest.raises(psycopg.Error) as caught:
        yield
    error = caught.value
    said = "\n".join(filter(None, [error.diag.message_primary, error.diag.message_detail, error.diag.message_hint]))
    assert error.sqlstate == sqlstate, f"{error.sqlstate}: {said}"
    for word in words:
        assert word in said, f"{word!r} is not in: {said}"
