"""Servers that outlive the command that started them: `serve`, `stop`, and what is known of them in between."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from pg_lifecycle.server import image
from pg_lifecycle.server.base import EXTENSION, Server, ServerError
from pg_lifecycle.server.hosts import attach, available_hosts, create, default_spec

_STATE = "server.json"
_ACTIONS = "start (default) or stop a server, list those that can be had, build the images of the containers"


def serve(spec: str | None = None, directory: Path | None = None, extension: Path = EXTENSION) -> Server:
    """Starts a server that goes on running, or finds it running, with the extension's files installed.

    Everything it needs to be found again is kept in `directory` (default: one directory a spec, in the cache).
    """
    spec = spec or default_spec()
    home = directory or default_directory(spec)
    server = served(home)
    if server is None:
        home.mkdir(parents=True, exist_ok=True)
        server = create(spec, home)
    server.start()
    (home / _STATE).write_text(json.dumps(server.state(), indent=2) + "\n")
    server.install(extension)
    return server


def served(directory: Path) -> Server | None:
    """The server whose state a directory keeps."""
    try:
        state = json.loads((directory / _STATE).read_text())
    except FileNotFoundError:
        return None
    return attach(state)


def stop(spec: str | None = None, directory: Path | None = None) -> bool:
    """Stops a served server and removes all of it; tells whether there was one."""
    home = directory or default_directory(spec or default_spec())
    server = served(home)
    if server is None:
        return False
    server.remove()
    shutil.rmtree(home, ignore_errors=True)
    return True


def default_directory(spec: str) -> Path:
    """Where the state of a served server is kept; `embedded` and `embedded:18` are the same server.

    As root not in the home directory, which the server's own account may not enter.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    base = Path("/var/cache") if os.geteuid() == 0 else Path(cache)
    return base / "pg_lifecycle" / re.sub(r"\W+", "-", create(spec).spec).strip("-")


def stop_command(spec: str, directory: Path | None = None) -> str:
    """A line that a person can paste to stop a served server."""
    python = os.path.relpath(sys.executable)
    python = python if not python.startswith("..") else sys.executable
    return f"{python} -m pg_lifecycle serve stop " + (f"--data {directory}" if directory else f"--server {spec}")


def main(arguments: Sequence[str]) -> int:
    """Command line: start (default), stop, list, build."""
    options = _parser().parse_args(arguments)
    actions = {"start": _start, "stop": _stop, "list": _list, "build": _build}
    try:
        return actions[options.action](options)
    except ServerError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pg_lifecycle serve", description="a throw-away server with the extension")
    parser.add_argument("action", nargs="?", choices=("start", "stop", "list", "build"), default="start", help=_ACTIONS)
    parser.add_argument("--server", help="docker[:major], local[:pg_config], embedded[:major] or dsn:...")
    parser.add_argument("--data", type=Path, help="directory for the server's files (default: in the user's cache)")
    return parser


def _start(options: argparse.Namespace) -> int:
    server = serve(options.server, options.data)
    print(f"{server} is running; look around with\n    {server.psql_command()}")
    print(f"stop it, and remove its data, with\n    {stop_command(options.server or default_spec(), options.data)}")
    return 0


def _stop(options: argparse.Namespace) -> int:
    stopped = stop(options.server, options.data)
    print("stopped, data removed" if stopped else "nothing is running there")
    return 0


def _list(_: argparse.Namespace) -> int:
    for host in available_hosts():
        print(f"{'yes' if host.usable else 'no ':3}  {host.spec:12}  {host.note}")
    return 0


def _build(_: argparse.Namespace) -> int:
    """Builds every image; one that fails does not stop the others."""
    failed = False
    for major in image.RECIPES:
        try:
            print(f"{image.ensure(major)} is there", flush=True)
        except ServerError as error:
            failed = True
            print(error, file=sys.stderr)
    return int(failed)
