"""The guide: all its statements run, in order, and its limits are what PostgreSQL does."""

from __future__ import annotations

import pytest

from harness import guides
from harness.calls import call, refused


def test_statements_of_the_guide(database, roles):
    printed = guides.run_as_owner(database, roles("owner"), guides.statements("soft_delete"))
    assert "failed" not in printed
    assert database.value("SELECT count(*) FROM packages") == 11, "12, one more by an upsert, two purged"
    assert database.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal") == 0


@pytest.fixture
def note(database):
    database.execute(
        "CREATE TABLE public.note (id int PRIMARY KEY, body text); INSERT INTO note VALUES (1, 'a'), (2, 'b')"
    )
    call(database, "enable_soft_delete", target="public.note")
    return database


def test_copy(note):
    with refused("42809", "cannot copy from view"):
        note.execute("COPY active_note TO STDOUT")
    with refused("42809", "cannot copy to view"):
        note.execute("COPY active_note FROM '/dev/null'")


MERGE = "MERGE INTO active_note AS a USING (VALUES (1, 'x')) AS s (id, body) ON a.id = s.id WHEN MATCHED "


def test_merge(note):
    if note.server.major < 17:
        with refused("0A000", "not supported for views"):
            note.execute(MERGE + "THEN UPDATE SET body = s.body")
        return
    note.execute(MERGE + "THEN UPDATE SET body = s.body WHEN NOT MATCHED THEN INSERT (id, body) VALUES (s.id, s.body)")
    with refused("0A000"):
        note.execute(MERGE + "AND a.id = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET body = s.body")
    assert note.execute("SELECT id, body, deleted_at FROM note ORDER BY id") == [(1, "x", None), (2, "b", None)]
    note.execute(MERGE + "THEN DELETE")
    assert note.execute("SELECT id FROM note WHERE deleted_at IS NOT NULL") == [(1,)]
