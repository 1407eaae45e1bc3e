"""Host `docker`: a container of an image that extension/Dockerfile describes."""

from __future__ import annotations

import io
import os
import secrets
import shlex
import socket
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from docker.errors import APIError, DockerException, NotFound
from psycopg.conninfo import make_conninfo

from pg_lifecycle.server import image
from pg_lifecycle.server.base import EXTENSION, Server, ServerError

if TYPE_CHECKING:
    from docker.models.containers import Container as DockerContainer

_STOP_SECONDS = 60
_SOCKETS = "/tmp"  # noqa: S108 - inside the container, where nobody else is
_PORT_TRIES = 5


class Container(Server):
    """A server in a container, reached through a port of 127.0.0.1; its data live in the container."""

    def __init__(
        self, major: int, settings: Mapping[str, str] | None = None, container: str = "", port: int = 0
    ) -> None:
        super().__init__(f"docker:{major}", settings)
        self._major = major
        self._id = container
        self._port = port

    def start(self) -> None:
        """Starts the container, made first where there is none yet."""
        container = self._find()
        if container is None:
            self._create()
        elif container.status != "running":
            container.start()
        self._wait()

    def stop(self) -> None:
        """Stops the container; it stays, with its data."""
        container = self._find()
        if container is not None and container.status == "running":
            container.stop(timeout=_STOP_SECONDS)

    def remove(self) -> None:
        """Removes the container and its data; the image stays."""
        container = self._find()
        if container is not None:
            container.remove(force=True, v=True)

    def crash(self) -> None:
        """Kills the container's first process, and with it all the others."""
        container = self._container()
        container.kill("SIGKILL")
        container.wait()

    def install(self, directory: Path = EXTENSION) -> None:
        """Copies the extension files into the container."""
        files = {path.name: path.read_bytes() for path in (*directory.glob("*.control"), *directory.glob("*--*.sql"))}
        self._put(f"/usr/share/postgresql/{self._major}/extension", files)

    def log(self) -> str:
        """What the server has logged so far."""
        container = self._find()
        return container.logs().decode(errors="replace") if container else ""

    def state(self) -> dict[str, Any]:
        """What another process needs to find this server again."""
        return {"host": "docker", "spec": self.spec, "major": self._major, "container": self._id, "port": self._port}

    @classmethod
    def attach(cls, state: Mapping[str, Any]) -> Container:
        """The server that `state` described."""
        return cls(state["major"], None, state["container"], state["port"])

    def run(self, program: str, *args: str, stdin: str | None = None, dbname: str = "postgres") -> str:
        """Runs a client program inside the container."""
        conninfo = make_conninfo(host=_SOCKETS, port=self._port, user="postgres", dbname=dbname)
        command = [program, *args, "-d", conninfo]
        if stdin is not None:
            name = f"stdin-{secrets.token_hex(8)}"
            self._put(_SOCKETS, {name: stdin.encode()})
            file = f"{_SOCKETS}/{name}"
            command = ["sh", "-c", f'"$@" < {file}; status=$?; rm -f {file}; exit $status', "sh", *command]
        done = self._container().exec_run(command, demux=True)
        output, errors = ((part or b"").decode() for part in cast("tuple[bytes | None, bytes | None]", done.output))
        if done.exit_code:
            raise ServerError(f"{program} failed ({done.exit_code}): {errors.strip()}")
        return output

    def psql_command(self, dbname: str = "postgres", user: str | None = None) -> str:
        """The psql of the container, since the machine may have none."""
        inside = make_conninfo(host=_SOCKETS, port=self._port, user=user or "postgres", dbname=dbname)
        return shlex.join(["docker", "exec", "-it", self._id[:12], "psql", inside])

    def _conninfo(self) -> str:
        return make_conninfo(host="127.0.0.1", port=self._port, user="postgres")

    def _create(self) -> None:
        tag = image.ensure(self._major)
        for left in reversed(range(_PORT_TRIES)):
            # A port of our own choice stays when the container is started again; the same one inside makes a
            # connection string also work for the server itself (dblink, postgres_fdw).
            self._port = _free_port()
            container = image.connect().containers.create(
                tag,
                self._command(),
                ports={f"{self._port}/tcp": ("127.0.0.1", self._port)},
                shm_size="512m",
                labels={image.LABEL: os.environ.get("PG_LIFECYCLE_LABEL", "server")},
            )
            try:
                container.start()
            except APIError as error:
                container.remove(force=True)
                if not left:
                    raise ServerError(f"{self.spec} does not start: {error.explanation}") from error
            else:
                self._id = str(container.id)
                return

    def _command(self) -> list[str]:
        settings = {
            **self.settings,
            "listen_addresses": "*",
            "port": str(self._port),
            "unix_socket_directories": _SOCKETS,
        }
        return ["postgres", *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]

    def _find(self) -> DockerContainer | None:
        if not self._id:
            return None
        try:
            return image.connect().containers.get(self._id)
        except NotFound:
            return None
        except DockerException as error:
            raise ServerError(f"the Docker engine does not answer: {error}") from error

    def _container(self) -> DockerContainer:
        container = self._find()
        if container is None:
            raise ServerError(f"{self.spec} has not been started")
        return container

    def _put(self, directory: str, files: Mapping[str, bytes]) -> None:
        if not self._container().put_archive(directory, _archive(files.items())):
            raise ServerError(f"cannot copy files into {directory} of {self.spec}")


def _archive(files: Iterable[tuple[str, bytes]]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
