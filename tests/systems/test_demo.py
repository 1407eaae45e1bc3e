"""``make demo`` at a small size: it says what it did, checks itself, and fails when a figure is wrong."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql

from pg_lifecycle import demo
from pg_lifecycle.server import Server

SIZE = ["--metrics", "3000", "--users", "100", "--coaches", "10"]


@pytest.fixture
def arguments(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A demo on the server of this test run, in a database of its own."""
    name = f"demo_{secrets.token_hex(3)}"
    monkeypatch.setattr(demo, "serve", lambda *_: server)
    yield ["--server", server.spec, "--database", name, *SIZE]
    server.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


# One test, since the demo's roles belong to the cluster.
def test_demo(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert demo.main([*arguments, "--check"]) == 0
    printed = capsys.readouterr().out
    for part in ('"status": "deleted"', "HINT: Choose with deleted_rows", "Rolled back", "psql", "serve stop"):
        assert part in printed

    # It makes its own database anew, and touches none that is not its own.
    assert demo.main([*arguments, "--database", "postgres"]) == 1
    assert "choose another" in capsys.readouterr().err

    wrong = shutil.copytree(demo.EXAMPLE, tmp_path / "coaching")
    verify = wrong / "08_verify.sql"
    verify.write_text(verify.read_text(encoding="utf-8").replace("'12',", "'13',"), encoding="utf-8")
    monkeypatch.setattr(demo, "EXAMPLE", wrong)
    assert demo.main(arguments) == 1
    assert "wrong: months that hold data" in capsys.readouterr().err
