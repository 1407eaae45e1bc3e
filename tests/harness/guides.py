"""The SQL of a guide in docs/, run as its reader would run it."""

from __future__ import annotations

import re
from pathlib import Path

from harness.calls import call
from harness.databases import Database

REFUSED = r"""\set ON_ERROR_STOP off
{}
\set ON_ERROR_STOP on
\if :ERROR
\else
DO 'BEGIN RAISE ''the guide says that this is refused''; END';
\endif
"""
DOCS = Path(__file__).parents[2] / "docs"


def statements(guide: str, sections: tuple[str, ...] = ()) -> str:
    """All fenced SQL of docs/<guide>.md in its order, or that below the named headings of the second level.

    What the guide shows to be refused, by an ERROR right below it, must be.
    """
    text = (DOCS / f"{guide}.md").read_text(encoding="utf-8")
    parts = [text.split(f"\n## {section}\n")[1].split("\n## ")[0] for section in sections] or [text]
    blocks = re.findall(r"^```sql\n(.*?)^```\n(\n    ERROR:  )?", "\n".join(parts) + "\n", re.MULTILINE | re.DOTALL)
    return "\n".join(REFUSED.format(block) if is_refused else block for block, is_refused in blocks)


def run(database: Database, session: str) -> str:
    """Run a session in psql, which stops at the first error; returns what it printed."""
    return database.server.run("psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", dbname=database.name, stdin=session)


def run_as_owner(database: Database, role: str, session: str) -> str:
    """The same as a role that is no superuser: an administrator of lifecycle who may create tables in public."""
    call(database, "grant_lifecycle_admin", role_name=role)
    database.execute(f"GRANT CREATE ON SCHEMA public TO {role}")
    return run(database, f"SET ROLE {role};\n{session}")
