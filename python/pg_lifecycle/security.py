"""Asks pgspot what an attacker could put on a search path. Runs in an environment of its own (tox -e security)."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from pg_lifecycle import bundle
from pg_lifecycle.source import Finding

_PGSPOT = Path(sys.executable).with_name("pgspot")


def check(root: Path = bundle.ROOT) -> list[Finding]:
    """What pgspot says about the install script, mapped to the sources. Raises SourceError."""
    return check_script(bundle.load(root).script())


def check_script(script: str) -> list[Finding]:
    """What pgspot says about a script; a run that does not reach the end of the script is a finding too."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql", encoding="utf-8") as file:
        file.write(_readable(script))
        file.flush()
        done = subprocess.run([str(_PGSPOT), file.name], capture_output=True, text=True, check=False)
    return list(_findings(script, done.stdout + done.stderr))


def _readable(script: str) -> str:
    """The script as pgspot can read it, with the same calls in the same lines.

    Its pglast 7 refuses fields of variables of our composite types, and it takes the expression of RETURN NEXT for a
    statement.
    """
    script = re.sub(r"(?m)^(\s+v_\w+) (?:constant )?lifecycle\.\w+( :=|;)", r"\1 record\2", script)
    return re.sub(r"\bRETURN NEXT (?=[^;]*\()", "PERFORM ", script)


def _commits(script: str, message: str) -> bool:
    """Whether the message is about a procedure that commits: it cannot have SET, and calls everything qualified."""
    name = re.search(r"lifecycle\.(\w+)\(", message)
    body = name and re.search(
        rf"CREATE PROCEDURE lifecycle\.{name.group(1)}\(.*?AS \$fn\$(.*?)\$fn\$;", script, re.DOTALL
    )
    return bool(body and re.search(r"\bCOMMIT;", body.group(1)))


def _findings(script: str, output: str) -> Iterator[Finding]:
    has_summary = False
    for line in filter(None, map(str.strip, output.splitlines())):
        match = re.fullmatch(r"(PS\d+): (.*?)(?: at line (\d+))?", line)
        if match:
            path, number = bundle.locate(script, int(match.group(3) or 1))
            if not (match.group(1) == "PS005" and _commits(script, match.group(2))):
                yield Finding(path, number, match.group(1), match.group(2))
        elif re.fullmatch(r"Errors: \d+ Warnings: \d+ Unknown: \d+", line):
            has_summary = True
        else:
            # An internal error ends the analysis, and the counts above it look like success.
            yield Finding(f"extension/{bundle.NAME}.control", 1, "pgspot", f"stopped: {line}")
    if not has_summary:
        yield Finding(f"extension/{bundle.NAME}.control", 1, "pgspot", "no summary: it did not run to its end")
