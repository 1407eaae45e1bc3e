"""The guide: all its statements run, in order, and its limits are what PostgreSQL does."""

from __future__ import annotations

import re

import psycopg
import pytest

from harness import guides
from harness.calls import call, refused


def test_statements_of_the_guide(database, roles):
    printed = guides.run_as_owner(database, roles("owner"), guides.statements("soft_delete"))
    assert "failed" not in printed
    assert database.value("SELECT count(*) FROM packages") == 11, "12, one more by an upsert, two purged"
    assert database.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname !~ '^migration_'") == 0


@pytest.fixture
def note(database):
    database.execute(
        "CREATE TABLE public.note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a'), (2, 'b')"
    )
    call(database, "enable_soft_delete", target="public.note")
    return database


TABLE = re.compile(r"^\| statement \|(?P<majors>.*)\|\n\|[-|]+\n(?P<rows>(?:\|.*\|\n)+)", re.MULTILINE)


def outcome(connection, statement):
    """What becomes of a statement, which may be a COPY: its SQLSTATE, or that it works. Nothing of it stays."""
    try:
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            if "STDIN" in statement or "STDOUT" in statement:
                with cursor.copy(statement) as copy:
                    if "STDOUT" in statement:
                        list(copy)
            else:
                cursor.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return "works"


def test_statements_on_the_view_by_version(note):
    """The table of the guide: each statement does what stands there for this version."""
    found = TABLE.search((guides.DOCS / "soft_delete.md").read_text(encoding="utf-8"))
    majors = [int(cell) for cell in found["majors"].split("|")]
    if note.server.major not in majors:
        pytest.skip(f"the table ends with {majors[-1]}")
    note.execute("CREATE VIEW s AS SELECT id, 'x' AS body FROM generate_series(1, 3) AS id")
    connection = note.connect()
    said, done = {}, {}
    for line in found["rows"].splitlines():
        _, statement, *cells, _ = (cell.strip() for cell in line.split("|"))
        said[statement] = cells[majors.index(note.server.major)]
        done[statement] = outcome(connection, statement.strip("`"))
    assert len(said) > 9
    assert done == said


MERGE = "MERGE INTO active_note AS a USING (VALUES (1, 'x')) AS s (id, body) ON a.id = s.id WHEN MATCHED "


@pytest.mark.min_major(17)
def test_merge(note):
    note.execute(MERGE + "THEN UPDATE SET body = s.body WHEN NOT MATCHED THEN INSERT (id, body) VALUES (s.id, s.body)")
    with refused("0A000"):
        note.execute(MERGE + "AND a.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET body = s.body")
    assert note.execute("SELECT id, body, deleted_at FROM note ORDER BY id") == [(1, "x", None), (2, "b", None)]
    note.execute(MERGE + "THEN DELETE")
    assert note.execute("SELECT id FROM note WHERE deleted_at IS NOT NULL") == [(1,)]
