"""Many rows at once: one number, one record, one restore."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from harness.calls import call, refused, rows

TABLE = """
CREATE TABLE public.note (id int PRIMARY KEY, owner text, body text);
INSERT INTO public.note SELECT i, CASE i % 2 WHEN 0 THEN 'even' ELSE 'odd' END, 'n' || i
FROM generate_series(1, 10) AS i;
"""


@pytest.fixture
def note(database):
    database.execute(TABLE)
    call(database, "enable_soft_delete", target="public.note")
    return database


USERS = ["owner", "plain", "remover", "secured"]


@pytest.fixture
def users(note, roles):
    """Those who take different ways: the owner, a role that may UPDATE, one that may DELETE, one under policies."""
    names = {name: roles(name) for name in USERS[1:]}
    for name in names.values():
        call(note, "grant_lifecycle_use", role_name=name)
    note.execute(
        f"GRANT SELECT, UPDATE ON note TO {names['plain']}; GRANT SELECT, DELETE ON note TO {names['remover']}; "
        f"GRANT ALL ON note TO {names['secured']}; ALTER TABLE note ENABLE ROW LEVEL SECURITY; "
        f"CREATE POLICY rest ON note TO {names['plain']}, {names['remover']} USING (true); "
        f"CREATE POLICY hide ON note FOR SELECT TO {names['secured']} USING (deleted_at IS NULL); "
        f"CREATE POLICY gone ON note FOR DELETE TO {names['secured']} USING (true)"
    )
    return {"owner": note} | {who: note.connect(name) for who, name in names.items()}


def value(place, statement, params=None):
    return rows(place, statement, params)[0][0]


def marked(place):
    return [
        r[0]
        for r in rows(
            place,
            "SELECT array_agg(id ORDER BY id) FROM note WHERE deleted_at IS NOT NULL "
            "GROUP BY deletion_id ORDER BY deletion_id",
        )
    ]


@pytest.mark.parametrize("who", USERS)
def test_where(note, users, who):
    even = "SELECT lifecycle.soft_delete_where('note', 'owner = ''even''', reason => 'tidy')"
    answer = value(users[who], even)
    number = note.value("SELECT deletion_id FROM lifecycle.deletion")
    assert answer == {"status": "deleted", "deletion_id": number, "count": 5, "cascaded": {}}
    assert marked(note) == [[2, 4, 6, 8, 10]]
    assert note.execute("SELECT row_count, reason FROM lifecycle.deletion") == [(5, "tidy")]
    assert value(users[who], even) == {"status": "not_found", "deletion_id": None, "count": 0, "cascaded": {}}
    assert value(users[who], "SELECT lifecycle.soft_delete_where('note', 'id < 4')")["count"] == 2
    assert marked(note) == [[2, 4, 6, 8, 10], [1, 3]]
    assert note.value("SELECT lifecycle.restore(%s)", [number])["count"] == 5
    assert note.execute("SELECT row_count, restored_count FROM lifecycle.deletion ORDER BY 1") == [(2, 0), (5, 5)]


@pytest.mark.parametrize("who", USERS)
def test_many(note, users, who):
    answer = value(users[who], "SELECT lifecycle.soft_delete_many('note', ARRAY[1, 2, 2, 99])")
    del answer["deletion_id"]
    assert answer == {"status": "deleted", "count": 2, "not_deleted": 1, "cascaded": {}}
    mixed = """SELECT lifecycle.soft_delete_many('note', '[2, "3", {"id": 4}]'::jsonb)"""
    assert value(users[who], mixed)["count"] == 2
    assert marked(note) == [[1, 2], [3, 4]]
    with refused("P0002", "1 of the rows of public.note were not deleted"):
        rows(users[who], "SELECT lifecycle.soft_delete_many('note', ARRAY[4, 5], strict => true)")
    assert marked(note) == [[1, 2], [3, 4]]
    assert note.value("SELECT lifecycle.restore_many('note', ARRAY[1, 3, 5])") == {
        "status": "restored",
        "count": 2,
        "cascaded": {},
    }
    assert marked(note) == [[2], [4]]
    assert value(users[who], "SELECT lifecycle.soft_delete_many('note', '{}'::int[])")["count"] == 0


def test_many_of_a_composite_key(database):
    database.execute(
        "CREATE TABLE member (team int, person text, PRIMARY KEY (team, person)); "
        "INSERT INTO member VALUES (1, 'ann'), (1, 'bob'), (2, 'ann')"
    )
    call(database, "enable_soft_delete", target="member")
    keys = '[{"team": 1, "person": "ann"}, {"team": 2, "person": "ann"}, {"team": 2, "person": "bob"}]'
    answer = database.value("SELECT lifecycle.soft_delete_many('member', %s::jsonb)", [keys])
    assert (answer["count"], answer["not_deleted"]) == (2, 1)
    assert database.execute("SELECT * FROM active_member") == [(1, "bob", None)]
    assert database.value("SELECT lifecycle.restore_many('member', %s::jsonb)", [keys])["count"] == 2
    for wrong in ("3", '{"team": 1}', "[1]", '[{"team": 1}]', "null"):
        with refused("22023"):
            database.execute("SELECT lifecycle.soft_delete_many('member', %s::jsonb)", [wrong])


EVIL = ["true) OR (true", "true --", "id = 1) --", "t.deleted_at IS NOT NULL OR true"]


@pytest.mark.parametrize("predicate", EVIL)
@pytest.mark.parametrize("who", USERS)
def test_predicate_reaches_no_deleted_row(note, users, who, predicate):
    note.execute("UPDATE note SET deleted_at = '2020-01-01' WHERE id = 1")
    before = note.execute("SELECT * FROM note WHERE id = 1")
    with contextlib.suppress(psycopg.errors.SyntaxError):
        rows(users[who], "SELECT lifecycle.soft_delete_where('note', %s)", [predicate])
    assert note.execute("SELECT * FROM note WHERE id = 1") == before
    assert note.value("SELECT count(*) FROM note") == 10


def test_parameters_are_values(note):
    call_it = "SELECT lifecycle.soft_delete_where('note', %s, %s::jsonb)"
    owner = "owner = params ->> 'owner'"
    assert note.value(call_it, [owner, """{"owner": "even' OR true --"}"""])["count"] == 0
    assert (
        note.value(call_it, [owner + " AND t.id < (params ->> 'max')::int", '{"owner": "odd", "max": 4}'])["count"] == 2
    )
    assert marked(note) == [[1, 3]]
    for predicate in (None, "", "  "):
        with refused("22004"):
            note.execute("SELECT lifecycle.soft_delete_where('note', %s)", [predicate])
    with refused("42703"):
        note.execute("SELECT lifecycle.soft_delete_where('note', 'nothing = 1')")


def test_predicate_sees_the_callers_path(note):
    note.execute("CREATE TYPE public.mood AS ENUM ('sad', 'glad'); ALTER TABLE note ADD mood mood DEFAULT 'sad'")
    predicate = "mood = 'sad'::mood AND id = 1"
    assert note.value("SELECT lifecycle.soft_delete_where('note', %s)", [predicate])["count"] == 1


def test_users_trigger_deletes_others_meanwhile(note):
    note.execute(
        "CREATE TABLE public.child (id int PRIMARY KEY, note int); "
        "INSERT INTO child SELECT i, 1 + i % 10 FROM generate_series(1, 20) i"
    )
    call(note, "enable_soft_delete", target="public.child")
    note.execute(
        "CREATE FUNCTION public.down() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE child SET deleted_at = now() "
        "WHERE note = NEW.id; RETURN NEW; END$$; "
        "CREATE TRIGGER down BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION down()"
    )
    answer = note.value("SELECT lifecycle.soft_delete_where('note', 'id < 4')")
    counted = "SELECT row_count FROM lifecycle.deletion WHERE deletion_id = %s"
    assert note.execute(counted, [answer["deletion_id"]]) == [(3,)]
    assert note.value("SELECT sum(row_count)::int FROM lifecycle.deletion WHERE table_name = 'child'") == 6
    assert note.value("SELECT count(DISTINCT deletion_id) FROM note WHERE deleted_at IS NOT NULL") == 1


def test_owner_has_changed_since(note, roles):
    """The triggers work for the one who made them; the new owner's rows are numbered by the row trigger."""
    owner = roles("owner")
    call(note, "grant_lifecycle_admin", role_name=owner)
    note.execute(f"ALTER TABLE note OWNER TO {owner}")
    answer = value(note.connect(owner), "SELECT lifecycle.soft_delete_where('note', 'id < 4')")
    assert answer["count"] == 3
    assert marked(note) == [[1, 2, 3]]
    assert note.value("SELECT row_count FROM lifecycle.deletion WHERE deletion_id = %s", [answer["deletion_id"]]) == 3
    assert note.value("SELECT lifecycle.restore(%s)", [answer["deletion_id"]])["count"] == 3


def test_numbers_of_others_are_not_believed(note, users):
    """Only the owner's own UPDATE may bring its number along."""
    note.execute("SELECT lifecycle.soft_delete_where('note', 'id < 4')")
    number = note.value("SELECT deletion_id FROM lifecycle.deletion")
    users["plain"].execute(f"SET lifecycle.number = '{number}'")
    users["plain"].execute(f"UPDATE note SET deleted_at = now(), deletion_id = {number} WHERE id = 5")
    assert note.execute("SELECT id FROM note WHERE deletion_id = %s ORDER BY id", [number]) == [(1,), (2,), (3,)]


def test_statement_that_names_a_partition(database):
    """Statement triggers of the root do not fire: each row is a deletion of its own, and is counted."""
    database.execute(
        "CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); "
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (100); INSERT INTO p VALUES (1), (2), (3)"
    )
    call(database, "enable_soft_delete", target="p")
    database.execute("UPDATE p1 SET deleted_at = now() WHERE id < 3")
    assert database.execute("SELECT table_name, row_count FROM lifecycle.deletion") == [("p", 1), ("p", 1)]
    database.execute("UPDATE p1 SET deleted_at = NULL")
    assert database.execute("SELECT restored_count FROM lifecycle.deletion") == [(1,), (1,)]
    database.execute("BEGIN; UPDATE p1 SET deleted_at = now() WHERE id = 1")
    database.execute("UPDATE p SET deleted_at = now() WHERE id > 1; COMMIT")
    left = "SELECT row_count FROM lifecycle.deletion WHERE restored_at IS NULL ORDER BY 1"
    assert database.execute(left) == [(1,), (2,)]


def test_trigger_that_marks_unasked(note):
    note.execute(
        "ALTER TABLE note ADD state text; CREATE FUNCTION public.gone() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN NEW.deleted_at := CASE NEW.state WHEN 'gone' THEN now() END; RETURN NEW; END$$; "
        "CREATE TRIGGER gone BEFORE UPDATE ON note FOR EACH ROW EXECUTE FUNCTION gone()"
    )
    note.execute("UPDATE note SET state = 'gone' WHERE id = 1")
    assert note.value("SELECT row_count FROM lifecycle.deletion JOIN note USING (deletion_id) WHERE id = 1") == 1
    note.execute("UPDATE note SET state = 'here' WHERE id = 1")
    assert note.execute("SELECT restored_count FROM lifecycle.deletion") == [(1,)]
    assert marked(note) == []
