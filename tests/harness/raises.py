"""Which errors of the extension the tests have seen, and which statement that raises one no test has reached.

Every error that reaches a client says in its context where it was raised. What plpgsql catches on the way never does:
the routines with such statements are named in EXCUSED with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

from pg_lifecycle.bundle import ROOT

# A place: the routine without its schema, and the line in its body, which begins with what stands behind AS $fn$.
Place = tuple[str, int]

_CONTEXT = re.compile(r"^PL/pgSQL function lifecycle\.(\w+)\(.*\) line (\d+) at RAISE$")
_ROUTINE = re.compile(
    r"^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) lifecycle\.(?P<name>\w+)\(.*?AS \$fn\$(?P<body>.*?)\$fn\$",
    re.DOTALL | re.MULTILINE,
)
# Not a bare RAISE: it hands on an error with the context that it came with.
_RAISE = re.compile(r"^\s*RAISE (?:EXCEPTION|USING)\b")

EXCUSED = {
    "_execute": "_run_step hands its errors on, with step, object and statement",
    "_query_shape": "ends a subtransaction that was only there to look, and is caught at once",
    # Handed on by _raise_again or _run_step, which then stand in the context instead.
    "_fence_conversion": "convert_data writes the error down first",
    "_require_same_source": "convert_data writes the error down first",
    "_restart_conversion": "convert_data writes the error down first",
    "_drain_to_end": "swap_tables tries again",
    "_require_as_planned": "a step of a swap",
    "_refill_partitions": "a step of a rollback",
    "_require_complete": "a step of a rewrite",
    # Open: a test would have to make a fault in our own code, or hold a lock through all tries.
    "_raise_findings": "a copy that is not like its source",
    "_require_refillable": "an old partition that was attached again by hand",
}
# Every other statement can be reached here; elsewhere a version or an extension may be missing: the rest is only told.
COMPLETE_ON = "docker:18"


class Raises:
    """Notes where each error that a client of this process gets was raised."""

    def __init__(self) -> None:
        self.seen: set[Place] = set()

    def watch(self) -> None:
        """Looks at every error that psycopg makes from an answer of a server, from now on."""
        make = psycopg.errors.error_from_result

        def noting(*arguments: Any, **options: Any) -> psycopg.Error:
            error = make(*arguments, **options)
            self.note(error.diag.context)
            return error

        psycopg.errors.error_from_result = noting

    def note(self, context: str | None) -> None:
        """Remembers the innermost place of an error's context."""
        found = _CONTEXT.match((context or "").partition("\n")[0])
        if found:
            self.seen.add((found[1], int(found[2])))


def statements() -> Iterator[tuple[Place, str]]:
    """Every statement of the sources that raises an error: its place, and the file and line for a reader."""
    for path in sorted(ROOT.glob("sql/*/*.sql")):
        text = path.read_text()
        for routine in _ROUTINE.finditer(text):
            if "LANGUAGE plpgsql" not in routine[0].partition("$fn$")[0]:
                continue
            above = text.count("\n", 0, routine.start("body"))
            for number, line in enumerate(routine["body"].split("\n"), 1):
                if _RAISE.match(line):
                    yield (routine["name"], number), f"{path.relative_to(ROOT)}:{above + number}"


def unreached(seen: Iterable[Place]) -> list[str]:
    """The files and lines of statements that nothing has reached and nobody has excused."""
    reached = set(seen)
    return [where for place, where in statements() if place not in reached and place[0] not in EXCUSED]
