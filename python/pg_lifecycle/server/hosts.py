"""Which servers can be had on this machine, and making one from what a person wrote, such as ``docker:17``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pg_lifecycle.server import binaries
from pg_lifecycle.server.base import Server, ServerError
from pg_lifecycle.server.cluster import Cluster
from pg_lifecycle.server.given import GivenServer

VARIABLE = "PG_LIFECYCLE_SERVER"


@dataclass(frozen=True)
class Host:
    """One way to a server: `spec` for `create`, and whether it can be had now; `note` says how, or why not."""

    spec: str
    kind: str
    major: int | None
    usable: bool
    note: str


def available_hosts() -> list[Host]:
    """All hosts this package knows, usable here or not."""
    return [*_docker_hosts(), *_local_hosts(), *map(_embedded_host, binaries.EMBEDDED_MAJORS), _given_host()]


def default_spec() -> str:
    """PG_LIFECYCLE_SERVER, else local binaries where there are any, else the newest embedded server."""
    given = os.environ.get(VARIABLE, "").strip()
    return given or ("local" if _local_hosts()[0].usable else "embedded")


def create(spec: str | None = None, home: Path | None = None, settings: Mapping[str, str] | None = None) -> Server:
    """A server, not yet started: ``docker[:major]``, ``local[:pg_config]``, ``embedded[:major]`` or ``dsn:conninfo``.

    `home` is where a server of this machine keeps its files (default: a new temporary directory); `settings` are
    added to those of `base.SETTINGS`.
    """
    spec = spec or default_spec()
    kind, _, rest = spec.partition(":")
    if kind not in _MAKERS:
        raise ServerError(f"unknown server {spec!r}: docker[:major], local[:pg_config], embedded[:major] or dsn:...")
    return _MAKERS[kind](rest, home, settings)


def attach(state: Mapping[str, Any]) -> Server:
    """The server whose `state()` this is, started by this process or by another."""
    if state["host"] == "docker":
        # Only here: the other hosts must work without the Docker SDK.
        from pg_lifecycle.server.container import Container

        return Container.attach(state)
    return GivenServer.attach(state) if state["host"] == "dsn" else Cluster.attach(state)


_Maker = Callable[[str, Path | None, Mapping[str, str] | None], Server]


def _make_local(rest: str, home: Path | None, settings: Mapping[str, str] | None) -> Server:
    return Cluster(f"local:{rest}" if rest else "local", binaries.local(rest or None), home, settings)


def _make_embedded(rest: str, home: Path | None, settings: Mapping[str, str] | None) -> Server:
    major = _major(rest or str(binaries.EMBEDDED_MAJORS[-1]))
    return Cluster(f"embedded:{major}", binaries.embedded(major), home, settings)


def _make_docker(rest: str, _: Path | None, settings: Mapping[str, str] | None) -> Server:
    from pg_lifecycle.server import image
    from pg_lifecycle.server.container import Container

    return Container(_major(rest or str(image.DEFAULT_MAJOR)), settings)


def _make_given(rest: str, *_: object) -> Server:
    if not rest:
        raise ServerError("dsn: needs a connection string, such as dsn:postgresql://me@host/postgres")
    return GivenServer(rest)


_MAKERS: Mapping[str, _Maker] = {
    "docker": _make_docker,
    "local": _make_local,
    "embedded": _make_embedded,
    "dsn": _make_given,
}


def _major(text: str) -> int:
    if not text.isdigit():
        raise ServerError(f"{text!r} is not a major version of PostgreSQL, such as 17")
    return int(text)


def _docker_hosts() -> list[Host]:
    from pg_lifecycle.server import image

    reason = image.unusable()
    return [
        Host(f"docker:{major}", "docker", major, not reason, reason or f"Debian {recipe}")
        for major, recipe in image.RECIPES.items()
    ]


def _local_hosts() -> list[Host]:
    """`local`, the one that pg_config leads to, and those of other majors in Debian's directories."""
    try:
        first = binaries.local()
    except ServerError as error:
        return [Host("local", "local", None, False, str(error))]
    others = {found.major: found for found in binaries.debian() if found.major != first.major}
    named = {"local": first, **{f"local:{major}": found for major, found in others.items()}}
    return [Host(spec, "local", has.major, True, f"{has.version} in {has.bindir}") for spec, has in named.items()]


def _embedded_host(major: int) -> Host:
    try:
        found = binaries.embedded(major)
    except ServerError as error:
        return Host(f"embedded:{major}", "embedded", major, False, str(error))
    return Host(f"embedded:{major}", "embedded", major, True, f"{found.version} from the wheel, no contrib modules")


def _given_host() -> Host:
    given = os.environ.get(VARIABLE, "")
    usable = given.startswith("dsn:")
    return Host("dsn:...", "dsn", None, usable, f"from {VARIABLE}" if usable else f"set {VARIABLE}=dsn:... to use one")
