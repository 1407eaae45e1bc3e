"""Hosts `local` and `embedded`: a cluster of our own, run by PostgreSQL's binaries on this machine."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from psycopg.conninfo import make_conninfo

from pg_lifecycle.server.base import EXTENSION, PRELOAD, Server, ServerError
from pg_lifecycle.server.binaries import Account, Installation, plant

_SOCKET_PATH_MAX = 107 - len("/.s.PGSQL.5432")


class Cluster(Server):
    """A cluster in a directory, reached through a socket in the same directory; no port is opened."""

    def __init__(
        self,
        spec: str,
        source: Installation,
        home: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(spec, settings)
        self.source = source
        self.account = Account.choose()
        self._home = home.absolute() if home else None

    @property
    def home(self) -> Path:
        """The directory that holds everything; a new temporary one unless it was given."""
        if self._home is None:
            self._home = Path(tempfile.mkdtemp(prefix="pg_lifecycle-"))
        if len(os.fsencode(self._home)) > _SOCKET_PATH_MAX:
            raise ServerError(f"{self._home} is too long a path for a socket: at most {_SOCKET_PATH_MAX} bytes")
        return self._home

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    def start(self) -> None:
        """Starts the server, made first where there is none yet."""
        if not self._planted.program("pg_ctl").exists():  # new, or what it links to has gone
            self._plant()
        if not (self.data / "PG_VERSION").exists():
            self._create()
        if self._postmaster() is None:
            self._pg_ctl("start", "-w", "-t", "60", "-l", self.home / "log", "-p", self._planted.program("postgres"))
        self._wait()

    def stop(self) -> None:
        """Stops the server; its directory stays."""
        if self._postmaster() is not None:
            self._pg_ctl("stop", "-w", "-m", "fast")

    def remove(self) -> None:
        """Stops the server and removes its directory."""
        if self._home is None:
            return
        if self._postmaster() is not None:
            self._pg_ctl("stop", "-w", "-m", "immediate")
        shutil.rmtree(self.home, ignore_errors=True)

    def crash(self) -> None:
        """Kills every process of the server at once."""
        postmaster = self._postmaster()
        if postmaster is None:
            return
        os.kill(postmaster, signal.SIGSTOP)  # else it would see its children die, and start recovery by itself
        family = [*_children(postmaster), postmaster]
        for pid in family:
            os.kill(pid, signal.SIGKILL)
        while any(_alive(pid) for pid in family):
            time.sleep(0.01)
        # A container's first process may never reap the dead, and PostgreSQL would take them for a running server.
        for lock in (self.data / "postmaster.pid", self.home / ".s.PGSQL.5432.lock"):
            lock.unlink(missing_ok=True)

    def install(self, directory: Path = EXTENSION) -> None:
        """Copies the extension files into the private copy of the installation."""
        target = self._planted.sharedir / "extension"
        for file in (*directory.glob("*.control"), *directory.glob("*--*.sql")):
            copy = target / file.name
            copy.unlink(missing_ok=True)
            shutil.copyfile(file, copy)
            copy.chmod(0o644)

    def log(self) -> str:
        """What the server has logged so far."""
        path = self.home / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def state(self) -> dict[str, Any]:
        """What another process needs to find this server again."""
        source = {key: [str(p) for p in v] if key == "extra" else str(v) for key, v in asdict(self.source).items()}
        return {"host": "cluster", "spec": self.spec, "home": str(self.home), "source": source}

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> Cluster:
        """The server that `state` described."""
        source = state["source"]
        installation = Installation(
            source["version"],
            bindir=Path(source["bindir"]),
            sharedir=Path(source["sharedir"]),
            pkglibdir=Path(source["pkglibdir"]),
            extra=tuple(map(Path, source["extra"])),
        )
        return cls(state["spec"], installation, Path(state["home"]))

    def run(self, program: str, *args: str, stdin: str | None = None, dbname: str = "postgres") -> str:
        """Runs a client program of this installation."""
        command = [str(self.source.program(program)), *args, "-d", self.dsn(dbname)]
        return run_client(command, stdin)

    def psql_command(self, dbname: str = "postgres", user: str | None = None) -> str:
        """The psql of this installation: it need not be on anybody's PATH."""
        return shlex.join([str(self.source.program("psql")), self.dsn(dbname, user)])

    def _conninfo(self) -> str:
        return make_conninfo(host=str(self.home), port=5432, user="postgres")

    @property
    def _planted(self) -> Installation:
        return self.source.below(self.home / "tree")

    def _plant(self) -> None:
        """Makes the private installation."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.home.chmod(0o700)
        self.account.own(self.home)
        if not self.account.can_enter(self.home):
            raise ServerError(
                f"{self.account.name}, which runs the server, may not enter {self.home}: choose another place"
            )
        shutil.rmtree(self.home / "tree", ignore_errors=True)
        plant(self.source, self.home / "tree", self.account)

    def _create(self) -> None:
        """Makes the cluster."""
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", _locale(), "-N")
        libraries = {path.stem for path in self._planted.pkglibdir.iterdir()}
        settings = {
            "shared_preload_libraries": ",".join(name for name in PRELOAD if name in libraries),
            **self.settings,
            "listen_addresses": "",
            "unix_socket_directories": str(self.home),
        }
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def _pg_ctl(self, action: str, *args: str | Path) -> None:
        try:
            self._run("pg_ctl", action, "-s", "-D", self.data, *args)
        except ServerError as error:
            raise ServerError(f"{error}\n{self.log()[-2000:]}") from error

    def _run(self, program: str, *args: str | Path) -> None:
        self.account.run(self._planted.program(program), *args, cwd=self.home)

    def _postmaster(self) -> int | None:
        """The pid of the running postmaster."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return pid if _alive(pid) else None


def run_client(command: list[str], stdin: str | None) -> str:
    """Runs a client program; raises with what it complained of when it fails."""
    done = subprocess.run(command, input=stdin or "", capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerError(f"{Path(command[0]).name} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def _locale() -> str:
    """C.UTF-8 where the C library has it: deterministic, and still knows the case of letters beyond ASCII."""
    listed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.lower()
    return "C.UTF-8" if "c.utf8" in listed or "c.utf-8" in listed else "C"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return _state(pid) != "Z"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def _children(parent: int) -> list[int]:
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = (line.split() for line in listed.splitlines())
    return [int(pid) for pid, ppid in pairs if int(ppid) == parent]
