"""After ALTER TABLE, and after years: sync, check, find what reads unfiltered, purge."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows, statuses

TABLE = """
CREATE TABLE public.note (id int PRIMARY KEY, body text);
INSERT INTO public.note SELECT i, 'n' || i FROM generate_series(1, 10) AS i;
"""


@pytest.fixture
def note(database):
    database.execute(TABLE)
    call(database, "enable_soft_delete", target="public.note")
    return database


def sync(place, target, **more):
    return call(place, "sync_active_view", target=target, **more)


def findings(place, severity=None):
    found = rows(place, "SELECT severity, finding, object FROM lifecycle.check_soft_delete()")
    return [(f, o) for s, f, o in found if severity in (None, s)]


def works(place, table, view, key="id"):
    """Every way marks a row and brings it back."""
    assert rows(place, f"DELETE FROM {view} WHERE {key} = 1 RETURNING {key}") == [(1,)]
    assert rows(place, "SELECT soft_delete_note(2)")[0][0]["status"] == "deleted"
    assert rows(place, f"SELECT lifecycle.soft_delete('{table}', 3)")[0][0]["status"] == "deleted"
    numbers = rows(place, f"SELECT lifecycle.restore(deletion_id) FROM {table} WHERE {key} IN (1, 3)")
    assert [n[0]["count"] for n in numbers] == [1, 1]
    assert rows(place, "SELECT restore_note(2)")[0][0]["status"] == "restored"


ALTERATIONS = {
    "table renamed": ("ALTER TABLE note RENAME TO memo", "memo", "id"),
    "moved": ("CREATE SCHEMA app; ALTER TABLE note SET SCHEMA app", "app.note", "id"),
    "column added": ("ALTER TABLE note ADD extra int DEFAULT 7", "note", "id"),
    "column renamed": ("ALTER TABLE note RENAME body TO words", "note", "id"),
    "key renamed": ("ALTER TABLE note RENAME id TO nr", "note", "nr"),
    "mark renamed": ("ALTER TABLE note RENAME deleted_at TO gone", "note", "id"),
    "all at once": (
        'ALTER TABLE note RENAME TO "me""mo"; ALTER TABLE "me""mo" RENAME id TO "n r"; ALTER TABLE "me""mo" '
        'RENAME deleted_at TO "g%s"; ALTER TABLE "me""mo" ADD "{table}" int; ALTER TABLE "me""mo" DROP body CASCADE',
        '"me""mo"',
        '"n r"',
    ),
    "nothing": ("SELECT 1", "note", "id"),
}


def test_a_view_or_a_stranger_in_the_place_of_the_table(note):
    note.execute("CREATE TABLE plain (a int); CREATE VIEW pv AS SELECT * FROM plain; ALTER TABLE note RENAME TO memo")
    for statement in ("soft_delete('{}', 1)", "check_soft_delete('{}')"):
        for target, words in {
            "active_note": "That is a view. Name its table: public.memo.",
            "pv": "Name a table, not a view.",
            "plain": "lifecycle.enable_soft_delete('public.plain')",
        }.items():
            with refused("55000", f"soft delete is not enabled on public.{target}", words):
                note.execute("SELECT lifecycle." + statement.format(target))
    with refused("22023", "1 is not a key of public.plain", "It has no primary key."):
        note.execute("SELECT * FROM lifecycle.erase('plain', 1)")


@pytest.mark.parametrize(
    ("name", "value"), [("column_name", None), ("column_name", ""), ("rpc_argument", ""), ("view_name", "")]
)
def test_empty_names(database, name, value):
    database.execute(TABLE)
    with refused("22023", f"{name} must not be empty", "Leave it out"):
        call(database, "enable_soft_delete", target="public.note", **{name: value})


def marked(place, *tables, key="id"):
    found = "SELECT {} FROM {} WHERE deleted_at IS NOT NULL ORDER BY 1"
    return [[r[0] for r in rows(place, found.format(key, t))] for t in tables]


def test_the_old_name_of_a_renamed_table_is_free(note):
    """Each of the two has functions of its own."""
    note.execute("ALTER TABLE note RENAME TO memo")
    note.execute(TABLE)
    with refused("55000", "soft delete of public.memo would write to public.note", "sync_active_view('public.memo')"):
        call(note, "enable_soft_delete", target="public.note")
    sync(note, "public.memo")
    with refused("42P07", "active_note stands already and is not the active view of public.note"):
        call(note, "enable_soft_delete", target="public.note")
    note.execute("ALTER VIEW active_note RENAME TO active_memo")
    with refused("42723", "soft_delete_note(integer) stands already, for public.memo", "Pass another rpc_name"):
        call(note, "enable_soft_delete", target="public.note")
    more = {"rpc_name": "drop_note", "restore_rpc_name": "bring_note", "intercept": True}
    before = note.dump(schema_only=True)
    assert set(statuses(call(note, "enable_soft_delete", target="public.note", **more))) == {"done"}
    assert set(statuses(call(note, "enable_soft_delete", target="public.note", **more))) == {"skipped"}
    note.execute(
        "DELETE FROM active_note WHERE id = 1; DELETE FROM active_memo WHERE id = 2; SELECT drop_note(3), "
        "soft_delete_note(4); UPDATE note SET deleted_at = now() WHERE id = 5; DELETE FROM note WHERE id = 6; "
        "SELECT lifecycle.soft_delete('note', 7), lifecycle.soft_delete('memo', 8)"
    )
    assert marked(note, "note", "memo") == [[1, 3, 5, 6, 7], [2, 4, 8]]
    assert findings(note, "error") == []
    call(note, "rollback_soft_delete", target="public.note", deleted_rows="restore", dry_run=False)
    assert note.dump(schema_only=True) == before
    note.execute("DELETE FROM active_memo WHERE id = 9")
    assert marked(note, "memo") == [[2, 4, 8, 9]]


def test_a_view_marks_no_row_of_a_table_that_took_the_name(note):
    """Whatever that table has: the view shows the other one."""
    note.execute("ALTER TABLE note RENAME TO memo")
    for made in ("", TABLE, "ALTER TABLE note ADD deleted_at timestamptz, ADD deletion_id bigint"):
        note.execute(made or "SELECT 1")
        with refused("55000", "active_note does not show rows of public.note", "lifecycle.sync_active_view()"):
            note.execute("DELETE FROM active_note WHERE id = 1")
    sync(note, "public.memo")
    note.execute("DELETE FROM active_note WHERE id = 1")
    assert marked(note, "note", "memo") == [[], [1]]


@pytest.mark.parametrize("key", ["id int", "nr int", "nr bigint"])
def test_a_dropped_table_made_anew(note, key):
    """What was generated for the old one is taken over, with the key of the new one."""
    name, kind = key.split()
    note.execute("DROP TABLE note CASCADE")
    note.execute(TABLE.replace("id int", key))
    before = note.dump(schema_only=True)
    call(note, "enable_soft_delete", target="public.note")
    note.execute(
        f"DELETE FROM active_note WHERE {name} = 1; SELECT soft_delete_note({name} => 2::{kind}); UPDATE note SET "
        f"deleted_at = now() WHERE {name} = 3; SELECT lifecycle.soft_delete('note', 4)"
    )
    assert marked(note, "note", key=name) == [[1, 2, 3, 4]]
    call(note, "rollback_soft_delete", target="public.note", deleted_rows="restore", dry_run=False)
    assert note.dump(schema_only=True) == before


@pytest.mark.parametrize("case", ALTERATIONS)
def test_sync(note, roles, case):
    statement, table, key = ALTERATIONS[case]
    reader = roles("reader")
    if "CASCADE" in statement:
        statement = statement.replace("DROP body CASCADE", "ADD late int")
    note.execute(
        f"GRANT SELECT ON active_note TO {reader}; COMMENT ON VIEW active_note IS 'mine'; "
        "ALTER VIEW active_note SET (security_barrier); CREATE VIEW dependent AS SELECT id, body FROM active_note"
    )
    view = note.execute("SELECT oid, relacl::text, relowner FROM pg_class WHERE relname = 'active_note'")
    note.execute(statement)
    before = note.dump()
    planned = sync(note, table, dry_run=True)
    assert note.dump() == before
    done = sync(note, table, expected_plan=planned[0].plan_hash)
    assert ("done" in statuses(done)) == (case != "nothing")
    assert set(statuses(sync(note, table))) == {"skipped"}
    assert note.execute("SELECT oid, relacl::text, relowner FROM pg_class WHERE relname = 'active_note'") == view
    options = note.value("SELECT reloptions FROM pg_class WHERE relname = 'active_note'")
    assert set(options) == {"security_invoker=true", "security_barrier=true"}
    assert note.value("SELECT obj_description('active_note'::regclass)") == "mine"
    assert note.value("SELECT count(*) FROM dependent") == 10
    columns = (
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND attname <> 'deletion_id'"
    )
    assert set(note.execute(columns, ["active_note"])) == set(note.execute(columns, [table]))
    works(note, table, "active_note", key)
    assert findings(note, "error") == []
    note.execute("DROP VIEW dependent")
    call(note, "rollback_soft_delete", target=table, dry_run=False)
    assert note.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname !~ '^migration_'") == 0
    assert note.value("SELECT to_regnamespace('lifecycle_data')") is None


def test_sync_gives_the_functions_to_the_new_owner(note, roles):
    owner = roles("owner")
    call(note, "grant_lifecycle_admin", role_name=owner)
    note.execute(f"ALTER TABLE note OWNER TO {owner}")
    sync(note, "note")
    assert note.execute(
        "SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc WHERE pronamespace <> 'lifecycle'::regnamespace AND "
        "prosrc ~ 'Generated by pg_lifecycle'"
    ) == [(owner,)]
    works(note, "note", "active_note")
    answer = rows(note.connect(owner), "SELECT lifecycle.soft_delete_where('note', 'id < 4')")[0][0]
    assert note.value("SELECT count(*) FROM note WHERE deletion_id = %s", [answer["deletion_id"]]) == 3


def test_sync_leaves_an_adopted_view_as_it_is(database):
    database.execute(
        TABLE + "ALTER TABLE note ADD deleted_at timestamptz; CREATE VIEW active_note AS SELECT id FROM note WHERE "
        "deleted_at IS NULL"
    )
    before = database.dump(schema_only=True)
    call(database, "enable_soft_delete", target="note")
    database.execute("ALTER TABLE note ADD extra int")
    sync(database, "note")
    assert database.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'active_note'::regclass AND attnum > 0"
    ) == [("id",)]
    database.execute("ALTER TABLE note DROP extra")
    call(database, "rollback_soft_delete", target="note", dry_run=False)
    assert database.dump(schema_only=True) == before


def test_sync_is_refused(note, roles):
    note.execute("CREATE TABLE other (id int PRIMARY KEY)")
    with refused("55000", "soft delete is not enabled"):
        sync(note, "other")
    stranger = roles("stranger")
    call(note, "grant_lifecycle_admin", role_name=stranger)
    with refused("42501"):
        sync(note.connect(stranger), "note")


# ---------------------------------------------------------------------------------------------------- check

FAULTS = {
    "trigger off": ("ALTER TABLE note DISABLE TRIGGER zz_soft_delete_row", "error", "trigger does not always fire"),
    "not always": ("ALTER TABLE note ENABLE TRIGGER aa_soft_delete", "error", "trigger does not always fire"),
    "renamed": ("ALTER TABLE note RENAME TO memo", "error", "generated for another name, column or owner"),
    "column renamed": ("ALTER TABLE note RENAME body TO words", "error", "generated for another name, column or owner"),
    "column added": ("ALTER TABLE note ADD extra int", "warning", "view without columns of the table"),
    "leaking view": (
        "CREATE OR REPLACE VIEW active_note AS SELECT t.id, t.body, t.deleted_at FROM note t WHERE t.deleted_at IS "
        "NULL",
        "error",
        "view runs with its owner's rights",
    ),
    "no index": ("DROP INDEX note_deletion_id_idx", "warning", "no index on deletion_id"),
    "hiding policy": (
        "CREATE POLICY p ON note FOR SELECT USING (deleted_at IS NULL)",
        "warning",
        "policy for SELECT hides deleted rows",
    ),
    "not HOT": ("CREATE INDEX i ON note (body) WHERE deleted_at IS NULL", "info", "index defeats HOT updates"),
    "not HOT, of no use": ("CREATE INDEX i ON note (deleted_at)", "warning", "index defeats HOT updates"),
    "mixed indexes": (
        "CREATE INDEX i ON note (body) WHERE deleted_at IS NULL; CREATE INDEX j ON note (body)",
        "warning",
        "whole index beside indexes of live rows",
    ),
    "live children": (
        "CREATE TABLE child (id int PRIMARY KEY, note int REFERENCES note); SELECT soft_delete_note(1); "
        "INSERT INTO child VALUES (1, 1)",
        "warning",
        "live rows under deleted ones",
    ),
}


def test_nothing_to_find(note):
    assert findings(note) == []


@pytest.mark.parametrize("case", FAULTS)
def test_check_finds(note, case):
    fault, severity, finding = FAULTS[case]
    note.execute(fault)
    found = note.execute("SELECT severity, finding, remedy FROM lifecycle.check_soft_delete()")
    assert (severity, finding) in {(s, f) for s, f, _ in found}
    for _, f, remedy in found:
        if f == finding and remedy and not remedy.startswith(("Leave", "CALL")):
            note.execute(remedy)
    if finding not in (
        "no index on deletion_id",
        "policy for SELECT hides deleted rows",
        "index defeats HOT updates",
        "whole index beside indexes of live rows",
        "live rows under deleted ones",
    ):
        assert findings(note) == []


HOT = {
    "no other index": ("", True),
    "an index of something else": ("CREATE INDEX i ON note (length(body))", True),
    "summarizing": ("CREATE INDEX i ON note USING brin (deleted_at)", None),
    "predicate": ("CREATE INDEX i ON note (body) WHERE deleted_at IS NULL", False),
    "key": ("CREATE INDEX i ON note (deleted_at)", False),
    "included": ("CREATE INDEX i ON note (body) INCLUDE (deletion_id)", False),
    "expression": ("CREATE INDEX i ON note ((deleted_at IS NULL))", False),
    "live key": (
        "ALTER TABLE note ADD UNIQUE (body); SELECT lifecycle.enable_soft_delete('note', index_mode => 'none', "
        "live_keys => '{*}', live_keys_as => 'column')",
        False,
    ),
    "of deletions": ("CREATE INDEX i ON note (deletion_id) WHERE deletion_id IS NOT NULL", False),
}


@pytest.mark.parametrize("case", HOT)
def test_what_defeats_hot_updates_is_found(database, case):
    """With index_mode none nothing of ours is in the way; PostgreSQL counts the updates."""
    statement, hot = HOT[case]
    database.execute(TABLE.replace("body text)", "body text) WITH (fillfactor = 50)"))
    call(database, "enable_soft_delete", target="note", index_mode="none")
    database.execute(statement or "SELECT 1")
    if hot is None:
        hot = database.server.major > 15
    connection = database.connect(autocommit=False)
    connection.execute("UPDATE note SET deleted_at = now() WHERE id < 6")
    counted = "SELECT pg_stat_get_xact_tuples_hot_updated('note'::regclass)"
    assert rows(connection, counted) == [(5 if hot else 0,)]
    connection.rollback()
    found = rows(
        database, "SELECT severity FROM lifecycle.check_soft_delete() WHERE finding = 'index defeats HOT updates'"
    )
    assert found == ([] if hot or case == "of deletions" else [("warning",)])


def test_children_that_are_deleted_too_are_no_finding(note):
    note.execute(
        "CREATE TABLE child (a int, b text, id int PRIMARY KEY, note int REFERENCES note); INSERT INTO child VALUES "
        "(1, '', 1, 1)"
    )
    call(note, "enable_soft_delete", target="child")
    note.execute("SELECT soft_delete_child(1), soft_delete_note(1)")
    assert findings(note) == []
    note.execute("INSERT INTO child VALUES (2, '', 2, 1)")
    assert findings(note) == [("live rows under deleted ones", "table constraint child_note_fkey on public.child")]


def test_find_unfiltered_reads(note):
    note.execute(
        "CREATE VIEW all_notes AS SELECT id, body FROM note; CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM "
        "note; "
        "CREATE VIEW careful AS SELECT id FROM note WHERE deleted_at IS NULL; CREATE VIEW through AS SELECT id FROM "
        "active_note; "
        "CREATE FUNCTION careless() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM note'; "
        "CREATE FUNCTION modern() RETURNS bigint LANGUAGE sql BEGIN ATOMIC SELECT count(*) FROM note; END; "
        "CREATE FUNCTION fine() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM note WHERE deleted_at IS NULL'; "
        "CREATE FUNCTION other() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM active_note'"
    )
    found = {
        o for (o,) in note.execute("SELECT object FROM lifecycle.find_unfiltered_reads('note')") if "statement" not in o
    }
    assert found == {
        "view public.all_notes",
        "materialized view public.counted",
        "function public.careless()",
        "function public.modern()",
    }


# ---------------------------------------------------------------------------------------------------- purge


@pytest.fixture
def old(note):
    """Rows 1 to 6 were deleted long ago, 7 and 8 just now."""
    note.execute(
        "UPDATE note SET deleted_at = now() - interval '100 days' WHERE id < 7; UPDATE note SET deleted_at = now() "
        "WHERE id IN (7, 8)"
    )
    return note


def keys(place, table="note"):
    return [row[0] for row in rows(place, f"SELECT id FROM {table} ORDER BY id")]


def test_purge(old):
    before = old.dump()
    old.execute("CALL lifecycle.purge_deleted('note', '90 days')")
    assert (
        "NOTICE: dry run: 6 rows of note would be deleted for good, 0 are held by rows that refer to them; rows of "
        "other tables that go first: {}" in old.notices
    )
    assert old.dump() == before
    assert old.value("SELECT lifecycle.preview_purge_deleted('note', '90 days')") == {
        "deleted": 8,
        "expired": 6,
        "purgeable": 6,
        "held": 0,
        "others": {},
    }
    old.execute("CALL lifecycle.purge_deleted('note', '90 days', batch_size => 4, dry_run => false)")
    assert keys(old) == [7, 8, 9, 10]
    assert any("6 rows of note and what hung on them were deleted for good" in n for n in old.notices)
    old.execute("CALL lifecycle.purge_deleted('note', '0 days', dry_run => false)")
    assert keys(old) == [9, 10]


def test_purge_in_steps(old):
    counts = [old.value("SELECT lifecycle.purge_deleted_step('note', '90 days', 4)")["purged"] for _ in range(4)]
    assert counts == [4, 2, 0, 0]
    for span in ("-1 day", None):
        with refused("22023"):
            old.execute("SELECT lifecycle.purge_deleted_step('note', %s::interval)", [span])
    with refused("22023"):
        old.execute("SELECT lifecycle.purge_deleted_step('note', '1 day', 0)")


def test_purge_of_rows_without_a_number(database):
    database.execute(
        TABLE + "ALTER TABLE note ADD deleted_at timestamp; UPDATE note SET deleted_at = '2001-01-01' WHERE id < 4"
    )
    call(database, "enable_soft_delete", target="note")
    database.execute("UPDATE note SET deleted_at = '2002-01-01' WHERE id = 4")
    database.execute("CALL lifecycle.purge_deleted('note', batch_size => 2, dry_run => false)")
    assert keys(database) == [5, 6, 7, 8, 9, 10]


@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL"])
def test_purge_holds_what_live_rows_refer_to(old, action):
    old.execute(
        f"CREATE TABLE child (id int PRIMARY KEY, note int REFERENCES note ON DELETE {action}); "
        "INSERT INTO child VALUES (1, 1), (2, 2), (3, 9)"
    )
    call(old, "enable_soft_delete", target="child")
    old.execute(
        "UPDATE child SET deleted_at = now() - interval '100 days' WHERE id = 2; UPDATE child SET deleted_at = now() "
        "WHERE id = 1"
    )
    seen = old.value("SELECT lifecycle.preview_purge_deleted('note', '90 days')")
    assert (seen["purgeable"], seen["held"], seen["others"]) == (5, 1, {"public.child": 1})
    old.execute("CALL lifecycle.purge_deleted('note', '90 days', dry_run => false)")
    assert keys(old) == [1, 7, 8, 9, 10]
    assert keys(old, "child") == [1, 3]


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE"])
def test_purge_of_a_tree(old, action):
    old.execute(
        f"ALTER TABLE note ADD parent int REFERENCES note ON DELETE {action}; UPDATE note SET parent = id - 1 WHERE "
        f"id > 1"
    )
    old.execute("UPDATE note SET parent = NULL WHERE id IN (7, 9)")
    old.execute("CALL lifecycle.purge_deleted('note', '90 days', batch_size => 2, dry_run => false)")
    assert keys(old) == [7, 8, 9, 10]
    mark = "UPDATE note SET deleted_at = now() - interval '100 days' WHERE id = 9"
    if action == "CASCADE":
        old.execute(mark)
    else:
        with refused("23503"):
            old.execute(mark)
    old.execute("CALL lifecycle.purge_deleted('note', '90 days', dry_run => false)")
    assert keys(old) == [7, 8, 9, 10], "10 is younger than 9 and refers to it"


def test_purge_does_not_wait_and_does_not_take_too_much(old, session, observer):
    """A restore under way keeps its row; nothing is deleted in its stead twice."""
    restoring, purging = session(old, autocommit=False), session(old)
    restoring.run("SELECT restore_note(3)")
    purging.start("CALL lifecycle.purge_deleted('note', '90 days', batch_size => 2, dry_run => false)")
    assert observer.settle(purging) == "done"
    restoring.run("COMMIT")
    assert keys(old) == [3, 7, 8, 9, 10]
    assert any(
        "5 rows of note and what hung on them were deleted for good, 1 are left to another call" in n
        for n in purging.notices
    )


def test_restore_waits_for_a_purge(old, session, observer):
    """The row is gone by then, and the restore says so."""
    purging, restoring = session(old, autocommit=False), session(old)
    purging.run("SELECT lifecycle.purge_deleted_step('note', '90 days')")
    restoring.start("SELECT restore_note(3)")
    assert observer.settle(restoring, [purging]) == "blocked"
    purging.run("COMMIT")
    assert restoring.result()[0][0]["status"] == "not_found"


def test_purge_goes_on_after_a_kill(old, session, observer):
    blocker, purging = session(old, autocommit=False), session(old)
    old.execute(
        "CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.id = 5 THEN "
        "PERFORM pg_advisory_xact_lock(1); END IF; RETURN OLD; END$$; CREATE TRIGGER stop BEFORE DELETE ON note "
        "FOR EACH ROW EXECUTE FUNCTION stop()"
    )
    blocker.run("SELECT pg_advisory_xact_lock(1)")
    purging.start("CALL lifecycle.purge_deleted('note', '90 days', batch_size => 2, dry_run => false)")
    assert observer.settle(purging, [blocker]) == "blocked"
    observer.terminate(purging)
    blocker.run("COMMIT")
    assert keys(old) == [5, 6, 7, 8, 9, 10], "two batches are committed"
    old.execute("CALL lifecycle.purge_deleted('note', '90 days', dry_run => false)")
    assert keys(old) == [7, 8, 9, 10]


# ---------------------------------------------------------------------------------------------------- races


@pytest.mark.parametrize(
    "way",
    [
        "SELECT soft_delete_note(3)",
        "DELETE FROM active_note WHERE id = 3",
        "UPDATE note SET deleted_at = now() WHERE id = 3",
        "SELECT lifecycle.soft_delete_where('note', 'id = 3')",
    ],
)
def test_double_delete(note, session, observer, way):
    """The second one waits, and then finds the row deleted already."""
    first, second = session(note, autocommit=False), session(note)
    first.run("SELECT soft_delete_note(3)")
    second.start(way)
    assert observer.settle(second, [first]) == "blocked"
    first.run("COMMIT")
    answer = second.result()
    if answer:
        assert answer[0][0]["count"] == 0
    assert note.execute("SELECT row_count FROM lifecycle.deletion") == [(1,)]
    assert note.value("SELECT deletion_id = (SELECT deletion_id FROM lifecycle.deletion) FROM note WHERE id = 3")


def test_delete_against_restore(note, session, observer):
    note.execute("SELECT soft_delete_note(3)")
    first, second = session(note, autocommit=False), session(note)
    first.run("SELECT restore_note(3)")
    second.start("SELECT soft_delete_note(3)")
    observer.settle(second, [first])
    first.run("COMMIT")
    # The DELETE has seen the row as deleted in its snapshot; both outcomes leave the row in one of two clean states.
    assert second.result()[0][0]["status"] in ("deleted", "already_deleted", "not_found")
    assert note.value("SELECT (deleted_at IS NULL) = (deletion_id IS NULL) FROM note WHERE id = 3")


def test_restore_against_the_same_key(note, session, observer):
    """A unique key among live rows: the restore waits for the insert, then fails as PostgreSQL does."""
    note.execute("CREATE UNIQUE INDEX live_body ON note (body) WHERE deleted_at IS NULL; SELECT soft_delete_note(3)")
    inserting, restoring = session(note, autocommit=False), session(note)
    inserting.run("INSERT INTO note (id, body) VALUES (33, 'n3')")
    restoring.start("SELECT restore_note(3)")
    assert observer.settle(restoring, [inserting]) == "blocked"
    inserting.run("COMMIT")
    with refused("23505", "live_body"):
        restoring.result()
    assert note.value("SELECT deleted_at IS NOT NULL FROM note WHERE id = 3")
