"""Every way to delete and to restore: what it returns, what it marks, what it records."""

from __future__ import annotations

from itertools import chain

import pytest

from harness.calls import call, refused, rows

TABLE = """
CREATE TABLE public.note (id bigint PRIMARY KEY, body text, touched timestamptz);
INSERT INTO public.note SELECT i, 'n' || i FROM generate_series(1, 9) AS i;
"""


@pytest.fixture
def note(database):
    database.execute(TABLE)
    call(database, "enable_soft_delete", target="public.note", rpc_argument="note_id")
    return database


def records(place, *columns):
    """Columns of the records, in the order of their numbers."""
    return rows(place, f"SELECT {', '.join(columns)} FROM lifecycle.deletion ORDER BY deletion_id")


def deleted(place, table="public.note"):
    """The keys of marked rows, in sets of one number each."""
    return [
        row[0]
        for row in rows(
            place,
            f"SELECT array_agg(id::int ORDER BY id) FROM {table} WHERE deleted_at IS NOT NULL GROUP BY deletion_id "
            f"ORDER BY deletion_id",
        )
    ]


def live(place, table="public.note"):
    return [row[0] for row in rows(place, f"SELECT id FROM {table} WHERE deleted_at IS NULL ORDER BY id")]


WAYS = {
    "function, text": "SELECT lifecycle.soft_delete('public.note', '3')",
    "function, value": "SELECT lifecycle.soft_delete('public.note', 3)",
    "function, json": "SELECT lifecycle.soft_delete('public.note', '{\"id\": 3}'::jsonb)",
    "rpc": "SELECT soft_delete_note(3)",
    "view": "DELETE FROM active_note WHERE id = 3",
    "update": "UPDATE note SET deleted_at = now() WHERE id = 3",
    "update through the view": "UPDATE active_note SET deleted_at = now() WHERE id = 3",
    "upsert": "INSERT INTO note (id, body) VALUES (3, 'x') ON CONFLICT (id) DO UPDATE SET deleted_at = now()",
}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_marks_and_records(note, way):
    note.execute("SET lifecycle.reason = 'spring cleaning'; SET request.jwt.claims = '{\"sub\": \"person 7\"}'")
    note.execute(WAYS[way])
    assert deleted(note) == [[3]]
    me = note.value("SELECT current_user")
    assert records(
        note,
        "table_schema",
        "table_name",
        "row_count",
        "reason",
        "effective_role",
        "session_role",
        "jwt_subject",
        "restored_count",
        "restored_at",
    ) == [("public", "note", 1, "spring cleaning", me, me, "person 7", 0, None)]
    assert note.value(
        "SELECT n.deletion_id = d.deletion_id AND n.deleted_at = d.deleted_at FROM note n, lifecycle.deletion d WHERE "
        "n.id = 3"
    )
    assert (
        note.execute(
            "SELECT s FROM unnest(ARRAY['deletion', 'restored', 'soft_delete']) s WHERE current_setting('lifecycle.' "
            "|| s, true) <> ''"
        )
        == []
    )


@pytest.mark.parametrize("way", WAYS)
def test_a_second_delete_changes_nothing(note, way):
    note.execute("UPDATE note SET deleted_at = '2020-01-01' WHERE id = 3")
    before = note.execute("SELECT * FROM note WHERE id = 3"), records(note, "*")
    note.execute(WAYS[way])
    assert (note.execute("SELECT * FROM note WHERE id = 3"), records(note, "*")) == before


def test_answers_of_the_function(note):
    answer = note.value("SELECT lifecycle.soft_delete('public.note', 3, reason => 'why')")
    number = note.value("SELECT deletion_id FROM lifecycle.deletion")
    assert answer == {"status": "deleted", "key": {"id": 3}, "deletion_id": number, "count": 1, "cascaded": {}}
    assert note.value("SELECT lifecycle.soft_delete('public.note', 3)") == {
        "status": "already_deleted",
        "key": {"id": 3},
        "deletion_id": None,
        "count": 0,
        "cascaded": {},
    }
    assert note.value("SELECT lifecycle.soft_delete('public.note', 99)")["status"] == "not_found"
    assert records(note, "reason") == [("why",)]
    with refused("P0002", "no row of public.note was deleted", "already deleted"):
        note.execute("SELECT lifecycle.soft_delete('public.note', 3, strict => true)")
    assert note.value("SELECT lifecycle.restore('public.note', 3)") == {
        "status": "restored",
        "key": {"id": 3},
        "deletion_id": number,
        "count": 1,
        "cascaded": {},
    }
    assert note.value("SELECT lifecycle.restore('public.note', 3)")["status"] == "not_deleted"
    assert note.value("SELECT lifecycle.restore('public.note', '99')")["status"] == "not_found"
    with refused("P0002", "no row of public.note was restored"):
        note.execute("SELECT lifecycle.restore('public.note', 3, strict => true)")


def test_answers_of_the_rpc(note):
    answer = note.value("SELECT soft_delete_note(note_id => 3)")
    number = note.value("SELECT deletion_id FROM lifecycle.deletion")
    assert answer == {"status": "deleted", "note_id": 3, "deletion_id": number, "count": 1, "cascaded": {}}
    assert note.value("SELECT soft_delete_note(3)")["status"] == "already_deleted"
    assert note.value("SELECT soft_delete_note(99)")["status"] == "not_found"
    assert note.value("SELECT restore_note(3)") == {
        "status": "restored",
        "note_id": 3,
        "deletion_id": number,
        "count": 1,
        "cascaded": {},
    }
    assert note.value("SELECT restore_note(3)") == {
        "status": "not_deleted",
        "note_id": 3,
        "deletion_id": None,
        "count": 0,
        "cascaded": {},
    }
    assert note.value("SELECT restore_note(99)")["status"] == "not_found"


def test_the_view_counts_and_returns(note):
    connection = note.connect()
    cursor = connection.execute("DELETE FROM active_note WHERE id IN (2, 4, 99) RETURNING id, body")
    assert (cursor.fetchall(), cursor.rowcount) == ([(2, "n2"), (4, "n4")], 2)
    assert connection.execute("DELETE FROM active_note WHERE id = 2").rowcount == 0
    assert deleted(note) == [[2, 4]]
    assert records(note, "row_count") == [(2,)]
    connection.execute("DELETE FROM active_note")
    assert records(note, "row_count") == [(2,), (7,)]
    assert connection.execute("SELECT count(*) FROM active_note").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM note").fetchone() == (9,)


def test_the_view_writes(note):
    note.execute("INSERT INTO active_note (id, body) VALUES (20, 'new') ON CONFLICT (id) DO NOTHING")
    note.execute(
        "INSERT INTO active_note (id, body) VALUES (20, 'newer') ON CONFLICT (id) DO UPDATE SET body = excluded.body"
    )
    note.execute("UPDATE active_note SET body = body || '!' WHERE id = 20")
    assert note.execute("SELECT body, deleted_at FROM note WHERE id = 20") == [("newer!", None)]


def test_one_number_a_statement(note):
    note.execute("UPDATE note SET deleted_at = now() WHERE id < 4")
    note.execute("UPDATE note SET deleted_at = now() WHERE id < 6")
    note.execute(
        "BEGIN; UPDATE note SET deleted_at = now() WHERE id = 6; UPDATE note SET deleted_at = now() WHERE id = 7; "
        "COMMIT"
    )
    assert deleted(note) == [[1, 2, 3], [4, 5], [6], [7]]
    assert records(note, "row_count") == [(3,), (2,), (1,), (1,)]


def test_restore_of_a_deletion_is_exact(note):
    note.execute("UPDATE note SET deleted_at = now() WHERE id < 4")
    note.execute("UPDATE note SET deleted_at = now() WHERE id < 6")
    first, _ = (row[0] for row in records(note, "deletion_id"))
    note.execute("SELECT lifecycle.restore('public.note', 2)")
    note.execute("SELECT lifecycle.soft_delete('public.note', 2)")
    assert note.value("SELECT lifecycle.restore(%s)", [first]) == {
        "status": "restored",
        "table": "public.note",
        "deletion_id": first,
        "count": 2,
        "cascaded": {},
    }
    assert deleted(note) == [[4, 5], [2]]
    assert records(note, "row_count", "restored_count") == [(3, 3), (2, 0), (1, 0)]
    assert note.value("SELECT lifecycle.restore(%s)", [first])["status"] == "not_deleted"
    with refused("P0002", f"no row of deletion {first} is deleted"):
        note.execute("SELECT lifecycle.restore(%s, strict => true)", [first])
    with refused("P0002", "there is no deletion 5"):
        note.execute("SELECT lifecycle.restore(5)")


def test_direct_restore_of_several_deletions(note):
    for number in range(1, 7):
        note.execute("UPDATE note SET deleted_at = now() WHERE id = %s OR id = 10 - %s", [number, number])
    note.execute("UPDATE note SET deleted_at = NULL WHERE id <> 9")
    assert deleted(note) == [[9]]
    assert records(note, "row_count", "restored_count") == [(2, 1), (2, 2), (2, 2), (2, 2), (1, 1)]
    assert note.value("SELECT bool_and(restored_by = current_user AND restored_at IS NOT NULL) FROM lifecycle.deletion")


def test_delete_and_restore_in_one_statement(note):
    note.execute("UPDATE note SET deleted_at = now() WHERE id < 3")
    note.execute("UPDATE note SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END WHERE id < 5")
    assert deleted(note) == [[3, 4]]
    assert records(note, "row_count", "restored_count") == [(2, 2), (2, 0)]


def test_two_tables_in_one_statement(note):
    note.execute("CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO other VALUES (1), (2)")
    call(note, "enable_soft_delete", target="public.other")
    note.execute(
        "WITH o AS (UPDATE other SET deleted_at = now() RETURNING id) UPDATE note SET deleted_at = now() WHERE id IN "
        "(SELECT id FROM o)"
    )
    assert deleted(note) == [[1, 2]]
    assert deleted(note, "public.other") == [[1, 2]]
    assert sorted(records(note, "table_name", "row_count")) == [("note", 2), ("other", 2)]


# What people have in their databases already: their own cascade, by trigger.
CASCADES = {
    "after row": (
        "AFTER UPDATE OF deleted_at",
        "ROW",
        "UPDATE child SET deleted_at = NEW.deleted_at WHERE note = NEW.id AND deleted_at IS NULL",
    ),
    "before row": (
        "BEFORE UPDATE OF deleted_at",
        "ROW",
        "UPDATE child SET deleted_at = NEW.deleted_at WHERE note = NEW.id AND deleted_at IS NULL",
    ),
    "after statement": (
        "AFTER UPDATE",
        "STATEMENT",
        "UPDATE child SET deleted_at = now() WHERE deleted_at IS NULL AND note IN "
        "(SELECT id FROM note WHERE deleted_at IS NOT NULL)",
    ),
    "through the view": ("AFTER UPDATE OF deleted_at", "ROW", "DELETE FROM active_child WHERE note = NEW.id"),
    "by the function": (
        "AFTER UPDATE OF deleted_at",
        "ROW",
        "PERFORM soft_delete_child(id) FROM child WHERE note = NEW.id",
    ),
}


@pytest.mark.parametrize("way", ["rpc", "view", "update", "function, value"])
@pytest.mark.parametrize("cascade", CASCADES)
def test_users_own_cascade(note, way, cascade):
    timing, level, statement = CASCADES[cascade]
    note.execute(
        "CREATE TABLE public.child (id int PRIMARY KEY, note bigint REFERENCES note); "
        "INSERT INTO child SELECT i, 1 + i % 9 FROM generate_series(1, 18) i"
    )
    call(note, "enable_soft_delete", target="public.child")
    note.execute(
        f"CREATE FUNCTION public.down() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {statement}; RETURN NEW; END$$; "
        f"CREATE TRIGGER down {timing} ON note FOR EACH {level} EXECUTE FUNCTION down()"
    )
    answer = note.execute(WAYS[way])
    if answer:
        assert answer[0][0]["status"] == "deleted"
        assert answer[0][0]["deletion_id"] == note.value("SELECT deletion_id FROM note WHERE id = 3")
    assert list(chain(*deleted(note, "public.child"))) == [2, 11]
    assert {(t, c) for t, c in records(note, "table_name", "row_count")} >= {("note", 1)}
    assert sum(c for t, c in records(note, "table_name", "row_count") if t == "child") == 2
    note.execute("UPDATE note SET deleted_at = now() WHERE id IN (5, 6)")
    assert deleted(note) == [[3], [5, 6]]
    assert [c for t, c in records(note, "table_name", "row_count") if t == "note"] == [1, 2]


def test_users_cascade_within_the_table(note):
    note.execute(
        "CREATE FUNCTION public.tree() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE note SET deleted_at = now() "
        "WHERE id = NEW.id + 3 AND deleted_at IS NULL; RETURN NULL; END$$; "
        "CREATE TRIGGER tree AFTER UPDATE OF deleted_at ON note FOR EACH ROW EXECUTE FUNCTION tree()"
    )
    assert note.value("SELECT soft_delete_note(3)")["status"] == "deleted"
    assert list(chain(*deleted(note))) == [3, 6, 9]
    assert records(note, "row_count") == [(1,), (1,), (1,)]
    for (number,) in records(note, "deletion_id"):
        assert note.value("SELECT lifecycle.restore(%s)", [number])["count"] == 1


TOUCH = """
CREATE FUNCTION public.clock() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()';
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.touched := clock(); RETURN NEW; END$$;
CREATE TRIGGER touch BEFORE UPDATE ON public.note FOR EACH ROW EXECUTE FUNCTION touch();
"""


@pytest.mark.parametrize("way", WAYS)
def test_users_trigger_sees_the_callers_path(note, way):
    note.execute(TOUCH)
    note.execute(WAYS[way])
    assert note.value("SELECT touched IS NOT NULL FROM note WHERE id = 3")
    note.execute("UPDATE note SET touched = NULL WHERE id = 3")
    note.execute("SELECT lifecycle.restore('public.note', 3)")
    assert note.value("SELECT touched IS NOT NULL FROM note WHERE id = 3")
    note.execute("SELECT soft_delete_note(3); SELECT restore_note(3)")
    assert live(note) == list(range(1, 10))


def test_a_trigger_that_vetoes(note):
    note.execute(
        "CREATE FUNCTION public.veto() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
        "CREATE TRIGGER veto BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION veto()"
    )
    for way in ("rpc", "function, value"):
        assert note.execute(WAYS[way])[0][0]["status"] == "not_found"
    for way in ("view", "update"):
        assert note.connect().execute(WAYS[way]).rowcount == 0
    assert records(note, "*") == []


def test_error_in_the_middle_leaves_nothing(note):
    connection = note.connect(autocommit=False)
    connection.execute("SAVEPOINT s")
    with refused("22012"):
        connection.execute("UPDATE note SET deleted_at = CASE WHEN 1 / (id - 3) IS NOT NULL THEN now() END")
    connection.execute("ROLLBACK TO s")
    connection.execute("UPDATE note SET deleted_at = now() WHERE id = 1")
    connection.commit()
    assert deleted(note) == [[1]]
    assert records(note, "row_count") == [(1,)]


def test_an_ordinary_statement_calls_nothing(note):
    connection = note.connect(autocommit=False)
    connection.execute("UPDATE note SET body = 'x'")
    connection.execute("DELETE FROM note WHERE id = 9")
    called = "SELECT count(*) FROM pg_stat_xact_user_functions WHERE schemaname = 'lifecycle_data'"
    assert connection.execute(called).fetchone() == (0,)
    connection.execute("UPDATE note SET deleted_at = now() WHERE id = 1")
    assert connection.execute(called).fetchone() == (2,)


def test_the_number_is_not_for_callers(note):
    note.execute("UPDATE note SET deletion_id = 5 WHERE id = 1")
    note.execute("UPDATE note SET deleted_at = now(), deletion_id = 5 WHERE id = 2")
    assert note.execute("SELECT id FROM note WHERE deletion_id = 5") == []
    assert note.value("SELECT deletion_id FROM note WHERE id = 1") is None


def test_stats(note):
    note.execute("UPDATE note SET deleted_at = '2024-01-01' WHERE id < 4")
    assert note.execute(
        "SELECT table_schema, table_name, active, deleted, deletion_rate::text FROM lifecycle.soft_delete_stats()"
    ) == [("public", "note", 6, 3, "33.33")]
    assert note.value(
        "SELECT oldest_deletion = '2024-01-01' AND newest_deletion = oldest_deletion FROM "
        "lifecycle.soft_delete_stats('note')"
    )


def test_foreign_key_of_another_table_really_deletes(note):
    """A cascade that PostgreSQL runs is not ours, even while a soft delete is under way or somebody pretends it is."""
    note.execute(
        "CREATE TABLE public.owner (id int PRIMARY KEY); INSERT INTO owner VALUES (1), (2); "
        "ALTER TABLE note ADD owner int REFERENCES owner ON DELETE CASCADE; UPDATE note SET owner = 1 WHERE id < 4"
    )
    note.execute("SET lifecycle.soft_delete = 'public.note'")
    note.execute("DELETE FROM owner WHERE id = 1")
    assert note.value("SELECT count(*) FROM note") == 6
    note.execute("DELETE FROM note WHERE id = 4")
    assert deleted(note) == [[4]]


def test_real_delete_stays_a_real_delete(note):
    assert note.connect().execute("DELETE FROM note WHERE id = 3 RETURNING id").rowcount == 1
    assert note.value("SELECT count(*) FROM note") == 8
