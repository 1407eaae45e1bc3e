"""Fixtures of all tests: one server a run, one database a test. `harness/` holds what they are made of.

PG_LIFECYCLE_SERVER chooses the server (docker:17, local, embedded:18, dsn:…). With pytest-xdist the controlling process
starts it, and the workers share it.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import os
import pkgutil
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import hypothesis
import pytest
from psycopg import sql

import pg_lifecycle
from harness.databases import Database, Databases
from harness.raises import COMPLETE_ON, Raises, unreached
from harness.sessions import Observer, Session
from harness.skips import TIME, account, needs, unexpected
from pg_lifecycle.server import Server, attach, create

# Beyond base.SETTINGS: autovacuum comes and goes with its locks when it likes, and plpgsql tells what it suspects.
SETTINGS = {"autovacuum": "off", "plpgsql.extra_warnings": "all"}

MARKERS = (
    "core: plan, journal, rollback",
    "capture: which rows changed",
    "soft_delete: soft delete and restore",
    "partition: partition management",
    "conversion: a live table becomes partitioned",
    "matview: materialized views",
    "privileges: who may do what",
    "concurrency: several sessions at once",
    "faults: killed backends and servers",
    "tooling: the Python side",
    "systems: the systems of docs/examples",
    "requires(*extensions): needs these extensions beside ours",
    "min_major(major): needs this version of PostgreSQL or a later one",
    "long: random schedules and kills, minutes in all; skipped where PG_LIFECYCLE_LONG=no",
)

# The same examples in every run, so that CI says the same twice; PG_LIFECYCLE_EXAMPLES=random looks for others.
# They are drawn from the constants of our modules, too, as far as those are loaded: so all of them are.
for _module in pkgutil.walk_packages(pg_lifecycle.__path__, "pg_lifecycle."):
    if not _module.name.endswith("__main__"):
        with contextlib.suppress(ImportError):  # what a linter needs is not there
            importlib.import_module(_module.name)
hypothesis.settings.register_profile("same", derandomize=os.environ.get("PG_LIFECYCLE_EXAMPLES") != "random")
hypothesis.settings.load_profile("same")

_RUN = pytest.StashKey["Run"]()
_RAISES = pytest.StashKey[Raises]()


class Run:
    """The server of this test run and the template on it, made when first asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.server: Server | None = None
        self.template = ""
        self.prefix = f"test_{secrets.token_hex(3)}"
        self.described = ""

    def start(self) -> Server:
        """Starts the server and makes the template."""
        if self.server is None:
            self.server = create(settings=SETTINGS)
            with self._uncaptured():  # an image that is built now says so
                self.server.start()
            self.server.install()
            self.described = str(self.server)
            with self._databases() as maker:
                self.template = maker.make_template()
        return self.server

    def _uncaptured(self) -> contextlib.AbstractContextManager[None]:
        capture = self.config.pluginmanager.getplugin("capturemanager")
        return capture.global_and_fixture_disabled() if capture else contextlib.nullcontext()

    def stop(self) -> None:
        """Removes the server, and the template from one that is not ours."""
        if self.server is not None:
            if self.template and self.server.spec == "dsn":
                with self._databases() as maker:
                    maker.drop_template(self.template)
            self.server.remove()
            self.server = None

    def _databases(self) -> contextlib.closing[Databases]:
        assert self.server is not None
        return contextlib.closing(Databases(self.server, self.prefix))


def pytest_configure(config: pytest.Config) -> None:
    """Registers the markers."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[_RUN] = Run(config)
    config.stash[_RAISES] = Raises()
    config.stash[_RAISES].watch()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops the server."""
    config.stash[_RUN].stop()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tells a worker of pytest-xdist where the server is."""
    run = node.config.stash[_RUN]
    state = run.start().state()
    node.workerinput["pg_lifecycle"] = json.dumps({"server": state, "template": run.template, "prefix": run.prefix})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Takes over what a worker has seen."""
    node.config.stash[_RAISES].seen.update(map(tuple, getattr(node, "workeroutput", {}).get("raises", ())))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives each test the marker of its folder."""
    names = {marker.partition(":")[0] for marker in MARKERS}
    for item in items:
        if item.path.parent.name in names:
            item.add_marker(item.path.parent.name)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says what server was used and which tests were skipped for want of what."""
    described = config.stash[_RUN].described
    if described:
        terminalreporter.write_line(f"server: {described}")
    for missing, tests in _skipped(terminalreporter).items():
        terminalreporter.write_line(f"skipped, no {missing}: {len(tests)} ({', '.join(tests)})")
    if _is_whole(config):
        for where in unreached(config.stash[_RAISES].seen):
            terminalreporter.write_line(f"no test has reached the RAISE at {where}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails a run that skipped what its server has no right to lack."""
    run = session.config.stash[_RUN]
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["raises"] = sorted(session.config.stash[_RAISES].seen)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if run.server is None or reporter is None:
        return
    if run.server.spec == COMPLETE_ON and _is_whole(session.config) and unreached(session.config.stash[_RAISES].seen):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    surprising = unexpected(run.server.spec, _skipped(reporter))
    if surprising:
        reporter.write_line(f"\nskipped without a right to: {', '.join(surprising)} (tests/harness/skips.py)", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _is_whole(config: pytest.Config) -> bool:
    selected = [config.option.keyword, config.option.markexpr, config.option.deselect]
    return bool(config.stash[_RUN].server) and config.args == ["tests"] and not any(selected)


def _skipped(reporter: Any) -> dict[str, list[str]]:
    reports = reporter.stats.get("skipped", [])
    return account((report.nodeid, report.longrepr[2]) for report in reports if isinstance(report.longrepr, tuple))


@pytest.fixture(autouse=True)
def _requirements(request: pytest.FixtureRequest) -> None:
    """Skips a test whose `requires` or `min_major` marker asks for what the server has not."""
    if request.node.get_closest_marker("long") and os.environ.get("PG_LIFECYCLE_LONG") == "no":
        needs(TIME)
    asked = [name for marker in request.node.iter_markers("requires") for name in marker.args]
    majors = [marker.args[0] for marker in request.node.iter_markers("min_major")]
    if not asked and not majors:
        return
    server: Server = request.getfixturevalue("server")
    for name in asked:
        if not server.available(name):
            needs(name)
    if majors and server.major < max(majors):
        needs(f"PostgreSQL {max(majors)}")


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Server:
    """The server of the run, with the extension's files installed."""
    given = getattr(pytestconfig, "workerinput", {}).get("pg_lifecycle")
    return attach(json.loads(given)["server"]) if given else pytestconfig.stash[_RUN].start()


@pytest.fixture(scope="module")
def own_server(server: Server) -> Iterator[Server]:
    """A second server of the same kind, for a module that crashes it or changes its settings."""
    if server.spec == "dsn":
        needs("a server of our own")
    with create(server.spec, settings=SETTINGS) as second:
        second.install()
        yield second


@pytest.fixture(scope="session")
def databases(server: Server, pytestconfig: pytest.Config) -> Iterator[tuple[Databases, str]]:
    """The maker of databases of this worker, and the name of the template."""
    given = getattr(pytestconfig, "workerinput", {}).get("pg_lifecycle")
    run = pytestconfig.stash[_RUN]
    prefix, template = (run.prefix, run.template)
    if given:
        prefix, template = json.loads(given)["prefix"], json.loads(given)["template"]
    maker = Databases(server, f"{prefix}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}")
    yield maker, template
    maker.close()


@pytest.fixture
def database(databases: tuple[Databases, str], roles: object) -> Iterator[Database]:
    """A database with the extension. It goes before the roles do, and takes along all that they own in it."""
    maker, template = databases
    yield maker.make(template)
    maker.drop_all()


_ROLE_NUMBERS = itertools.count(1)


@pytest.fixture
def roles(server: Server) -> Iterator[Callable[..., str]]:
    """Makes roles: ``roles("alice", "BYPASSRLS")`` returns the unique name of a new LOGIN role."""
    made: list[str] = []

    def make(name: str, options: str = "") -> str:
        unique = f"{name}_{secrets.token_hex(2)}_{next(_ROLE_NUMBERS)}"
        server.execute(sql.SQL("CREATE ROLE {} LOGIN " + options).format(sql.Identifier(unique)))
        made.append(unique)
        return unique

    yield make
    for name in made:
        for statement in ("DROP OWNED BY {} CASCADE", "DROP ROLE {}"):
            server.execute(sql.SQL(statement).format(sql.Identifier(name)))


@pytest.fixture
def session() -> Iterator[Callable[..., Session]]:
    """Makes sessions: ``session(database, user=…, name=…)``, closed with the test."""
    made: list[Session] = []

    def make(database: Database, user: str | None = None, name: str = "session", autocommit: bool = True) -> Session:
        made.append(Session(database.dsn(user), name, autocommit))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def observer(database: Database) -> Iterator[Observer]:
    """Tells whether a session is done or blocked."""
    watcher = Observer(database.dsn())
    yield watcher
    watcher.close()
