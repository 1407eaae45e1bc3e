"""The Docker images of the test servers, built from extension/Dockerfile when they are first asked for.

An image's tag carries a hash of all that went into it, so that it is built once and again only after a change.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pg_lifecycle.server.base import EXTENSION, PRELOAD, ServerError

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "pg_lifecycle"
DEFAULT_MAJOR = 18
_TAIL = 40


@dataclass(frozen=True)
class Recipe:
    """Where Debian has a major version: the suite of the base image, and one to add to it."""

    suite: str
    extra: str = ""

    def __str__(self) -> str:
        return f"{self.suite} and {self.extra}" if self.extra else self.suite


RECIPES = {
    15: Recipe("bookworm"),
    17: Recipe("trixie"),
    18: Recipe("sid"),
    19: Recipe("sid", "experimental"),
}


def unusable() -> str:
    """Why no container can be run here; empty when one can."""
    try:
        connect().ping()
    except ServerError as error:
        return str(error)
    return ""


def connect() -> DockerClient:
    """A client of the Docker engine."""
    try:
        import docker
    except ImportError as error:
        raise ServerError("the Python package `docker` is not installed") from error
    try:
        return docker.from_env(timeout=120)
    except (docker.errors.DockerException, OSError) as error:
        raise ServerError(f"no Docker engine answers: {str(error).splitlines()[0]}") from error


def ensure(major: int) -> str:
    """The tag of the image of a major version, built now if need be."""
    if major not in RECIPES:
        raise ServerError(f"no image for PostgreSQL {major}; there are {', '.join(map(str, RECIPES))}")
    client = connect()
    dockerfile = (EXTENSION / "Dockerfile").read_text()
    arguments = {"PG_MAJOR": str(major), "EXTRA_SUITE": RECIPES[major].extra, "PRELOAD": " ".join(PRELOAD)}
    ingredients = "\n".join([dockerfile, RECIPES[major].suite, *map(str, sorted(arguments.items()))])
    tag = f"pg_lifecycle:{major}-{hashlib.sha256(ingredients.encode()).hexdigest()[:12]}"
    with _lock(f"image-{major}"):
        if not _has(client, tag):
            base = _base(client, RECIPES[major].suite)
            _say(f"building the image of PostgreSQL {major} on {base} (minutes, once) ...")
            _build(client, tag, dockerfile, arguments | {"BASE": base})
            _remove_older(client, major, tag)
    return tag


def _build(client: DockerClient, tag: str, dockerfile: str, arguments: Mapping[str, str]) -> None:
    from docker.errors import APIError, BuildError

    proxies = {name: value for name, value in os.environ.items() if name.lower() in {"http_proxy", "https_proxy"}}
    try:
        client.images.build(
            fileobj=io.BytesIO(dockerfile.encode()),
            tag=tag,
            buildargs={**proxies, **arguments},
            labels={LABEL: "image"},
            rm=True,
            forcerm=True,
        )
    except BuildError as error:
        lines = [str(line.get("stream") or line.get("error") or "").rstrip() for line in error.build_log]
        tail = "\n".join([line for line in lines if line][-_TAIL:])
        raise ServerError(f"building {tag} failed:\n{tail}") from error
    except APIError as error:
        raise ServerError(f"building {tag} failed: {error}") from error


def _remove_older(client: DockerClient, major: int, tag: str) -> None:
    """Removes images of the same version from before a change, where no container uses them."""
    from docker.errors import APIError

    for image in client.images.list(name="pg_lifecycle", filters={"label": f"{LABEL}=image"}):
        for other in image.tags:
            if other.startswith(f"pg_lifecycle:{major}-") and other != tag:
                with contextlib.suppress(APIError):
                    client.images.remove(other)


def _base(client: DockerClient, suite: str) -> str:
    """An image of a Debian suite: here already, pulled, or else bootstrapped from Debian's mirror."""
    official, bootstrapped = f"debian:{suite}-slim", f"pg_lifecycle-base:{suite}"
    with _lock(f"base-{suite}"):
        for name in (official, bootstrapped):
            if _has(client, name):
                return name
        if _pull(client, official):
            return official
        _bootstrap(client, suite, bootstrapped)
    return bootstrapped


def _pull(client: DockerClient, name: str) -> bool:
    from docker.errors import DockerException

    _say(f"pulling {name} ...")
    try:
        repository, tag = name.split(":")
        client.images.pull(repository, tag)
    except (DockerException, OSError):
        return False
    return True


def _bootstrap(client: DockerClient, suite: str, name: str) -> None:
    """Makes a base image with debootstrap, for where no registry can be reached."""
    if not shutil.which("debootstrap") or os.geteuid() != 0:
        raise ServerError(f"debian:{suite}-slim cannot be pulled, and bootstrapping it needs debootstrap, and root")
    _say(f"no registry answers: bootstrapping Debian {suite} (half a minute, once) ...")
    with tempfile.TemporaryDirectory(prefix="pg_lifecycle-base-") as directory:
        root = Path(directory) / "root"
        made = subprocess.run(
            ["debootstrap", "--variant=minbase", suite, str(root)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if made.returncode:
            tail = "\n".join(made.stdout.splitlines()[-_TAIL:])
            raise ServerError(f"debootstrap {suite} failed:\n{tail}")
        repository, tag = name.split(":")
        pack = ["tar", "--directory", str(root), "--exclude", "./var/cache/apt/archives/*.deb", "--create", "."]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as tar:
            client.api.import_image_from_stream(tar.stdout, repository=repository, tag=tag)


def _has(client: DockerClient, name: str) -> bool:
    from docker.errors import ImageNotFound

    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


@contextlib.contextmanager
def _lock(name: str) -> Iterator[None]:
    """Makes others wait who want to build the same."""
    path = Path(tempfile.gettempdir()) / f"pg_lifecycle-{name}.{os.getuid()}.lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
