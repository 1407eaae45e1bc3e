"""Host `dsn`: a server that somebody else runs. It is used, never started, stopped or killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from pg_lifecycle.server import binaries
from pg_lifecycle.server.base import EXTENSION, Server, ServerError
from pg_lifecycle.server.cluster import run_client


class GivenServer(Server):
    """A server behind a connection string, whose user must be allowed to make databases and roles."""

    def __init__(self, conninfo: str) -> None:
        super().__init__("dsn")
        self.conninfo = conninfo

    def start(self) -> None:
        """Waits a little for the server to answer."""
        self._wait(seconds=10)

    def stop(self) -> None:
        """Does nothing: the server is not ours."""

    def remove(self) -> None:
        """Does nothing: the server is not ours."""

    def crash(self) -> NoReturn:
        """Refuses."""
        raise ServerError("a server given by a connection string is not ours to kill")

    def restart(self) -> NoReturn:
        """Refuses."""
        raise ServerError("a server given by a connection string is not ours to restart")

    def install(self, directory: Path = EXTENSION) -> None:
        """Checks that the extension files are there: copying them is the administrator's work."""
        for control in directory.glob("*.control"):
            if not self.available(control.stem):
                raise ServerError(f"{control.stem} is not installed on that server: run `make install` there first")

    def log(self) -> str:
        """Nothing: the log is not ours to read."""
        return ""

    def state(self) -> dict[str, Any]:
        """What another process needs to find this server again."""
        return {"host": "dsn", "spec": self.spec, "conninfo": self.conninfo}

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> GivenServer:
        """The server that `state` described."""
        return cls(state["conninfo"])

    def run(self, program: str, *args: str, stdin: str | None = None, dbname: str = "postgres") -> str:
        """Runs a client program of the server's major version, wherever this machine has one."""
        return run_client([str(binaries.client(program, self.major)), *args, "-d", self.dsn(dbname)], stdin)

    def _conninfo(self) -> str:
        return self.conninfo
