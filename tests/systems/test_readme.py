"""The first session of the README is run by psql, as a reader would paste it: as an owner who is no superuser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.databases import Database

README = Path(__file__).parents[2] / "README.md"
BLOCK = re.compile(r"^<!-- first session -->\n```sql\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def session() -> str:
    """All marked blocks, in order."""
    blocks = BLOCK.findall(README.read_text(encoding="utf-8"))
    assert len(blocks) >= 3
    return "\n".join(blocks)


def test_first_session_runs(database: Database, roles: Callable[..., str], session: str) -> None:
    owner = roles("reader")
    fresh = database.empty()
    fresh.execute(f'ALTER DATABASE "{fresh.name}" OWNER TO {owner}')
    printed = fresh.server.run(
        "psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", dbname=fresh.name, stdin=f"SET ROLE {owner};\n{session}"
    )
    assert "deleted_at" not in printed.rpartition("Table ")[2], "the rollback has taken the column away again"
    assert "readings_by_month" in printed
    assert "failed" not in printed


def test_every_sql_block_is_part_of_the_session(session: str) -> None:
    blocks = re.findall(r"^```sql\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert "\n".join(blocks) == session
