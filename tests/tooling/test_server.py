"""Every host that this machine has starts, installs, dumps, crashes and comes back; a served one outlives its maker."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pg_lifecycle.server import Server, ServerError, attach, available_hosts, create, default_spec, served
from pg_lifecycle.server.serve import default_directory

USABLE = {host.spec: host for host in available_hosts() if host.usable and host.kind != "dsn"}
EXTENSION = "stub_extension"


@pytest.fixture(scope="module")
def stub(tmp_path_factory):
    """The files of an extension with one table."""
    directory = tmp_path_factory.mktemp("stub")
    (directory / f"{EXTENSION}.control").write_text("default_version = '1.0'\nschema = 'pg_catalog'\n")
    (directory / f"{EXTENSION}--1.0.sql").write_text("CREATE TABLE public.kept (a integer);\n")
    return directory


def _hosts_of_this_run() -> list[str]:
    """Every way to a server of the version that this run is about; tox runs the other versions."""
    chosen = USABLE.get({"embedded": "embedded:18", "docker": "docker:18"}.get(default_spec(), default_spec()))
    return [spec for spec, host in USABLE.items() if chosen and host.major == chosen.major]


@pytest.fixture(scope="module", params=_hosts_of_this_run())
def hosted(request) -> Iterator[Server]:
    """A running server of each host."""
    with create(request.param) as started:
        yield started


def test_life_of_a_server(hosted, stub):
    hosted.install(stub)
    assert hosted.available(EXTENSION)
    hosted.execute(f"CREATE EXTENSION {EXTENSION}")
    hosted.execute("INSERT INTO public.kept VALUES (42)")
    hosted.crash()
    with pytest.raises(psycopg.OperationalError):
        hosted.connect()
    hosted.restart()
    assert hosted.execute("SELECT a FROM public.kept") == [(42,)], "what was committed survives"
    assert "not properly shut down" in hosted.log()
    hosted.restart()
    assert hosted.execute("SELECT a FROM public.kept") == [(42,)]


def test_version(hosted):
    assert hosted.version_num // 10000 == hosted.major
    assert f"({hosted.major}." in str(hosted).replace("PostgreSQL ", "") or hosted.major >= 19


def test_dump_and_restore(hosted):
    hosted.execute("CREATE DATABASE copied")
    hosted.execute("CREATE TABLE public.sums AS SELECT 'ünïcode' AS word, 3 AS number", dbname="copied")
    dump = hosted.dump("copied", "--no-owner")
    hosted.execute("CREATE DATABASE restored")
    hosted.restore("restored", dump)
    assert hosted.execute("SELECT word, number FROM public.sums", dbname="restored") == [("ünïcode", 3)]
    with pytest.raises(ServerError, match="nonsense"):
        hosted.restore("restored", "SELECT nonsense;")


def test_attach_finds_the_same_server(hosted):
    other = attach(json.loads(json.dumps(hosted.state())))
    (mine,), (theirs,) = (each.execute("SHOW data_directory") for each in (hosted, other))
    assert mine == theirs
    assert other.spec == hosted.spec
    assert other.log() == hosted.log() or other.log()


def test_psql_command_can_be_pasted(hosted):
    command = hosted.psql_command().replace("-it", "-i")
    done = subprocess.run(f"{command} -Atc 'SELECT 6 * 7'", shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.stdout.strip() == "42", done.stderr


def test_settings_and_missing_extension(hosted):
    assert hosted.execute("SHOW wal_level") == [("logical",)]
    assert hosted.execute("SHOW fsync") == [("off",)]
    assert not hosted.available("no_such_extension")


def test_the_server_can_connect_to_itself(hosted):
    if not hosted.available("dblink"):
        assert hosted.spec.startswith("embedded"), "only the wheel has no contrib"
        return
    hosted.execute("CREATE EXTENSION dblink")
    query = "SELECT * FROM dblink(%s, 'SELECT 6 * 7') AS answer (number integer)"
    assert hosted.execute(query, [hosted.dsn()]) == [(42,)]


def test_available_hosts_say_why_not():
    assert all(host.note for host in available_hosts())
    assert {host.kind for host in available_hosts()} == {"docker", "local", "embedded", "dsn"}


@pytest.mark.parametrize("spec", ["oracle", "docker:x", "docker:9", "embedded:12", "dsn:", "local:/no/such/pg_config"])
def test_nonsense_is_refused(spec):
    with pytest.raises(ServerError):
        create(spec).start()


def test_given_server_is_used_but_not_touched(server, tmp_path, stub):
    given = create(f"dsn:{server.dsn()}")
    given.start()
    assert given.major == server.major
    for refused in (given.crash, given.restart):
        with pytest.raises(ServerError, match="not ours"):
            refused()
    with pytest.raises(ServerError, match="make install"):
        given.install(stub)
    given.stop()
    given.remove()
    assert server.execute("SELECT 1") == [(1,)]


def test_default_follows_the_environment(monkeypatch):
    monkeypatch.setenv("PG_LIFECYCLE_SERVER", "docker:17")
    assert default_spec() == "docker:17"
    monkeypatch.setenv("PG_LIFECYCLE_SERVER", "")
    assert default_spec() in {"local", "embedded"}


def test_one_directory_for_one_server():
    assert default_directory("embedded") == default_directory("embedded:18") != default_directory("embedded:16")


@pytest.fixture
def short_path():
    """A folder that is short, for the socket, and open to the account that runs a server of root."""
    with tempfile.TemporaryDirectory(prefix="pg_lifecycle-", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_served_server_outlives_the_command(short_path):
    """Starts and stops a server from the command line, as the demo and its user do."""
    home = short_path / "s"
    command = [sys.executable, "-m", "pg_lifecycle", "serve", "--server", "embedded", "--data", str(home)]
    for _ in range(2):  # the second finds it running
        said = subprocess.run([*command, "start"], capture_output=True, text=True, check=True).stdout
        assert "psql" in said
        assert "serve stop" in said
    found = served(home)
    assert found is not None
    found.execute("CREATE EXTENSION IF NOT EXISTS pg_lifecycle")
    stopped = subprocess.run([*command, "stop"], capture_output=True, text=True, check=True).stdout
    assert "stopped" in stopped
    assert not home.exists()
    assert "nothing" in subprocess.run([*command, "stop"], capture_output=True, text=True, check=True).stdout
