"""Every example of the reference is run as a stranger would paste it: in the scene of docs/scenes.md that names it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import psycopg
import pytest

from harness import guides
from harness.databases import Database, Databases
from pg_lifecycle import reference
from pg_lifecycle.server import Server
from pg_lifecycle.source import statements

# What a good answer does not say, by the name of a column, or of a key of a JSON answer.
NONSENSE = {
    "severity": {"error"},
    "finding": {"missing", "failed"},
    "purgeable": {0},
    "purged": {0},
    "status": {"failed", "busy", "not_found", "not_deleted", "already_deleted", "nothing", "waiting"},
}
ONLY_TROUBLE = re.compile(r"WHERE severity (<>|=)")  # an example that asks for what is wrong may find nothing
SCENE = re.compile(r"^## (?P<name>.+?)\n(?P<text>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class Scene(NamedTuple):
    """A scene: the one that it goes on from, and whose examples are run in it."""

    name: str
    after: str | None
    objects: tuple[str, ...]


class Answer(NamedTuple):
    """What a statement returned."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


def _scenes() -> dict[str, Scene]:
    found = {}
    for name, text in SCENE.findall((guides.DOCS / "scenes.md").read_text(encoding="utf-8")):
        after = re.search(r"^After: (.+)\.$", text, re.MULTILINE)
        listed = re.search(r"^Examples: (.+?)\.$", text, re.MULTILINE | re.DOTALL)
        objects = tuple(re.findall(r"`(\w+)`", listed.group(1))) if listed else ()
        found[name] = Scene(name, after.group(1) if after else None, objects)
    return found


def _name(identity: str) -> str:
    return identity.removeprefix("lifecycle.").partition("(")[0]


def _ancestors(scene: str) -> list[str]:
    after = SCENES[scene].after
    return [*_ancestors(after), after] if after else []


SCENES = _scenes()
PLACES = {name: scene for scene in SCENES.values() for name in scene.objects}
EXAMPLES = sorted(reference.examples(), key=lambda e: list(PLACES).index(_name(e[0])) if _name(e[0]) in PLACES else -1)


def paste(connection: psycopg.Connection, text: str) -> list[Answer]:
    """Runs statements one by one, as psql does; what each of them that returns something returned."""
    answers = []
    for statement in statements(text):
        with contextlib.ExitStack() as stack:
            if statement.head.startswith("CREATE ROLE"):  # of the whole server, and other workers need them, too
                stack.enter_context(contextlib.suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation))
            cursor = connection.execute(statement.text.encode())
            if cursor.description:
                answers.append(Answer([column.name for column in cursor.description], cursor.fetchall()))
    return answers


class Stage:
    """Databases in the state of a scene.

    Each is built anew from one that has the extension alone: a copy of a scene would be another database to the
    journal, as after a restore.
    """

    def __init__(self, maker: Databases, owner: str) -> None:
        self._maker = maker
        self.owner = owner
        self._template = self._own(maker.make("template0"))
        self._template.connect(owner).execute("CREATE EXTENSION pg_lifecycle")

    @contextlib.contextmanager
    def play(self, scene: str) -> Iterator[Database]:
        """A database in the state of a scene, as long as it is needed."""
        database = self._own(self._template.clone())
        connection = database.connect(self.owner)
        for name in (*_ancestors(scene), scene):
            paste(connection, guides.statements("scenes", (name,)))
        connection.close()
        yield database
        self._maker.drop(database)

    def _own(self, database: Database) -> Database:
        database.server.execute(f'ALTER DATABASE "{database.name}" OWNER TO {self.owner}')
        return database


@pytest.fixture(scope="module")
def stage(server: Server, databases: tuple[Databases, str]) -> Iterator[Stage]:
    """All scenes, owned by a role that is no superuser."""
    prefix = databases[0].prefix
    owner = f"{prefix}_owner"
    server.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE")
    with contextlib.closing(Databases(server, f"{prefix}_scene")) as maker:
        yield Stage(maker, owner)
    server.execute(f"DROP ROLE {owner}")


@pytest.mark.parametrize(("identity", "example"), EXAMPLES, ids=[identity for identity, _ in EXAMPLES])
def test_example(stage: Stage, identity: str, example: str) -> None:
    name = _name(identity)
    assert name in PLACES, f"no scene of docs/scenes.md is for {name}: add it to the Examples of one, or add a scene"
    assert f"lifecycle.{name}" in example, "the example shows something else"
    warnings: list[str | None] = []
    with stage.play(PLACES[name].name) as database:
        connection = database.connect(stage.owner)
        connection.add_notice_handler(lambda d: warnings.append(d.message_primary) if d.severity == "WARNING" else None)
        answers = paste(connection, example)
    assert warnings == []
    for answer in answers:
        assert answer.rows or ONLY_TROUBLE.search(example), "it returns nothing"
        assert _nonsense(answer) == []


def test_scenes_are_for_examples() -> None:
    listed = [name for scene in SCENES.values() for name in scene.objects]
    assert sorted(set(listed)) == sorted(listed), "an object belongs to one scene"
    assert set(listed) <= {_name(identity) for identity, _ in EXAMPLES}, "there is no example of that name"
    assert {scene.after for scene in SCENES.values() if scene.after} <= set(SCENES)


def _nonsense(answer: Answer) -> list[str]:
    values = [pair for row in answer.rows for pair in zip(answer.columns, row, strict=True)]
    values += [pair for _, value in values if isinstance(value, dict) for pair in value.items()]
    said = [f"{name} {value}" for name, value in values if value in NONSENSE.get(name.removeprefix("last_"), ())]
    said += [f"{name} {value}" for name, value in values if name in ("error", "sqlstate", "last_error") and value]
    statuses = {value for name, value in values if name == "status"}
    return said + (["all skipped: it shows no work"] if statuses == {"skipped"} else [])


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (["severity", "detail"], ("error", "x")),
        (["status"], ("skipped",)),
        (["soft_delete"], ({"status": "not_found"},)),
        (["last_error"], ("no such table",)),
    ],
)
def test_nonsense_is_seen(columns: list[str], row: tuple[Any, ...]) -> None:
    assert _nonsense(Answer(columns, [row]))
    assert _nonsense(Answer(["status"], [("done",), ("skipped",)])) == []
