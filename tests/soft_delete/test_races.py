"""Two sessions at once: whoever comes second waits and then sees what the first has done. docs/soft_delete.md has the
table of outcomes; each is tested here."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rows

DELETIONS = {
    "update": "UPDATE p SET deleted_at = now() WHERE id = 1",
    "view": "DELETE FROM active_p WHERE id = 1",
    "rpc": "SELECT soft_delete_p(1)",
    "where": "SELECT lifecycle.soft_delete_where('p', 'id = 1')",
}


@pytest.fixture
def family(database):
    database.execute(
        "CREATE TABLE public.p (id int PRIMARY KEY, name text); CREATE TABLE public.c (id int PRIMARY KEY, p int "
        "REFERENCES p ON DELETE CASCADE, name text); INSERT INTO p VALUES (1, 'a'), (2, 'b'); "
        "INSERT INTO c VALUES (1, 1, 'x'), (2, 2, 'y')"
    )
    for table in "pc":
        call(database, "enable_soft_delete", target=table)
    return database


@pytest.fixture
def two(family, session):
    """The first works in a transaction, the second commits each statement."""
    return session(family, name="first", autocommit=False), session(family, name="second")


def live(place, table="c"):
    return [row[0] for row in rows(place, f"SELECT id FROM {table} WHERE deleted_at IS NULL ORDER BY 1")]


def live_under_deleted(place):
    return rows(
        place, "SELECT object FROM lifecycle.check_soft_delete() WHERE finding = 'live rows under deleted ones'"
    )


@pytest.mark.parametrize("way", DELETIONS)
def test_child_first_then_parent(family, two, observer, way):
    inserting, deleting = two
    inserting.run("INSERT INTO c VALUES (3, 1, 'z')")
    deleting.start(DELETIONS[way])
    assert observer.settle(deleting, [inserting]) == "blocked"
    inserting.run("COMMIT")
    deleting.result()
    assert live(family) == [2]
    assert live_under_deleted(family) == []


def test_child_first_then_parent_unlocked(family, two, observer):
    """The control: a deletion that does not lock the parent leaves the child behind."""
    call(family, "rollback_soft_delete", target="p", dry_run=False)
    call(family, "enable_soft_delete", target="p", follow_foreign_keys=False)
    inserting, deleting = two
    inserting.run("INSERT INTO c VALUES (3, 1, 'z')")
    deleting.start(DELETIONS["update"])
    assert observer.settle(deleting, [inserting]) == "done"
    inserting.run("COMMIT")
    assert live(family) == [1, 2, 3]
    assert live_under_deleted(family) != []


def test_child_first_then_parent_that_it_holds(family, two, observer):
    family.execute("ALTER TABLE c DROP CONSTRAINT c_p_fkey, ADD FOREIGN KEY (p) REFERENCES p; SELECT soft_delete_c(1)")
    inserting, deleting = two
    inserting.run("INSERT INTO c VALUES (3, 1, 'z')")
    deleting.start(DELETIONS["update"])
    assert observer.settle(deleting, [inserting]) == "blocked"
    inserting.run("COMMIT")
    with refused("23503"):
        deleting.result()
    assert live(family, "p") == [1, 2]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_parent_first_then_child(family, two, observer, end):
    """Waits for the deletion. What a foreign key asks is whether the row is there: it is."""
    deleting, inserting = two
    deleting.run(DELETIONS["update"])
    inserting.start("INSERT INTO c VALUES (3, 1, 'z')")
    assert observer.settle(inserting, [deleting]) == "blocked"
    deleting.run(end)
    inserting.result()
    assert live(family) == ([2, 3] if end == "COMMIT" else [1, 2, 3])
    assert len(live_under_deleted(family)) == (end == "COMMIT")


@pytest.mark.parametrize("way", ["update", "view", "where"])
def test_parent_first_then_child_that_must_not(family, two, observer, way):
    family.execute("SELECT * FROM lifecycle.enable_soft_delete('c', live_foreign_keys => '{c_p_fkey}')")
    deleting, inserting = two
    deleting.run(DELETIONS[way])
    inserting.start("INSERT INTO c VALUES (3, 1, 'z')")
    assert observer.settle(inserting, [deleting]) == "blocked"
    deleting.run("COMMIT")
    with refused("23503", "live foreign key"):
        inserting.result()
    assert (live(family), live_under_deleted(family)) == ([2], [])


@pytest.mark.parametrize("first", DELETIONS)
@pytest.mark.parametrize("second", ["update", "view", "rpc"])
def test_double_delete(family, two, observer, first, second):
    one, other = two
    one.run(f"SET lifecycle.reason = 'first'; {DELETIONS[first]}")
    other.start(DELETIONS[second])
    assert observer.settle(other, [one]) == "blocked"
    one.run("COMMIT")
    answer = other.result()
    if second == "rpc":
        assert answer[0][0]["status"] == "already_deleted"
    assert rows(family, "SELECT reason, row_count, cascaded FROM lifecycle.deletion WHERE row_count > 0") == [
        ("first", 1, {"public.c": 1})
    ]
    assert rows(family, "SELECT count(*) FROM p JOIN lifecycle.deletion d USING (deletion_id) WHERE row_count = 1") == [
        (1,)
    ]


def test_delete_again_after_a_rollback(family, two, observer):
    one, other = two
    one.run(DELETIONS["update"])
    other.start(DELETIONS["rpc"])
    assert observer.settle(other, [one]) == "blocked"
    one.run("ROLLBACK")
    assert other.result()[0][0]["status"] == "deleted"
    assert live(family) == [2]


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_restore_against_an_insert_of_the_same_value(family, two, observer, end):
    family.execute("CREATE UNIQUE INDEX ON c (name) WHERE deleted_at IS NULL; SELECT soft_delete_p(1)")
    inserting, restoring = two
    inserting.run("INSERT INTO c VALUES (3, 2, 'x')")
    restoring.start("SELECT restore_p(1)")
    assert observer.settle(restoring, [inserting]) == "blocked"
    inserting.run(end)
    if end == "ROLLBACK":
        restoring.result()
        return
    with refused("23505", "Key (name)=(x) already exists"):
        restoring.result()
    assert live(family, "p") == [2]


def test_insert_of_the_same_value_against_a_restore(family, two, observer):
    family.execute("CREATE UNIQUE INDEX ON c (name) WHERE deleted_at IS NULL; SELECT soft_delete_p(1)")
    restoring, inserting = two
    restoring.run("SELECT restore_p(1)")
    inserting.start("INSERT INTO c VALUES (3, 2, 'x')")
    assert observer.settle(inserting, [restoring]) == "blocked"
    restoring.run("COMMIT")
    with refused("23505"):
        inserting.result()


def test_restore_of_a_child_then_delete_of_its_parent(family, two, observer):
    family.execute("SELECT soft_delete_c(1)")
    restoring, deleting = two
    restoring.run("SELECT restore_c(1)")
    deleting.start(DELETIONS["update"])
    assert observer.settle(deleting, [restoring]) == "blocked"
    restoring.run("COMMIT")
    deleting.result()
    assert (live(family), live_under_deleted(family)) == ([2], [])


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_delete_of_a_parent_then_restore_of_its_child(family, two, observer, end):
    family.execute("SELECT soft_delete_c(1)")
    deleting, restoring = two
    deleting.run(DELETIONS["update"])
    restoring.start("SELECT restore_c(1)")
    assert observer.settle(restoring, [deleting]) == "blocked"
    deleting.run(end)
    if end == "COMMIT":
        with refused("23503", "of public.p is deleted"):
            restoring.result()
    else:
        restoring.result()
    assert live(family) == ([2] if end == "COMMIT" else [1, 2])
    assert live_under_deleted(family) == []


def test_double_restore(family, two, observer):
    family.execute("SELECT soft_delete_p(1)")
    one, other = two
    one.run("SELECT restore_p(1)")
    other.start("SELECT lifecycle.restore('p', 1)")
    assert observer.settle(other, [one]) == "blocked"
    one.run("COMMIT")
    assert other.result()[0][0]["status"] == "not_deleted"
    assert rows(family, "SELECT row_count, restored_count FROM lifecycle.deletion") == [(1, 1)]
    assert live(family) == [1, 2]


def test_purge_passes_by_a_restore(family, two, observer):
    family.execute("UPDATE p SET deleted_at = now() - interval '1 year' WHERE id = 1")
    family.execute("UPDATE c SET deleted_at = now() - interval '1 year' WHERE id = 2")
    restoring, purging = two
    restoring.run("SELECT restore_p(1)")
    for table in "cp":
        purging.start(f"CALL lifecycle.purge_deleted('{table}', '1 day', dry_run => false)")
        assert observer.settle(purging) == "done"
        purging.result()
    restoring.run("COMMIT")
    assert (live(family), live(family, "p")) == ([1], [1, 2])
    assert rows(family, "SELECT count(*) FROM c") == [(1,)]


def test_a_restore_after_a_purge_says_so(family, two, observer):
    family.execute("UPDATE p SET deleted_at = now() - interval '1 year' WHERE id = 1; DELETE FROM c WHERE p = 1")
    purging, restoring = two
    purging.run("SELECT lifecycle.purge_deleted_step('p', '1 day')")
    restoring.start("SELECT lifecycle.restore('p', 1, strict => true)")
    assert observer.settle(restoring, [purging]) == "blocked"
    purging.run("COMMIT")
    with refused("P0002", "not found"):
        restoring.result()


@pytest.mark.parametrize("way", DELETIONS)
def test_opposite_deletions_do_not_both_pass(family, two, observer, way):
    """A cycle of two tables, deleted from both ends: one waits; a deadlock is one's error, never two halves."""
    family.execute("ALTER TABLE p ADD c int REFERENCES c ON DELETE CASCADE; UPDATE p SET c = 1 WHERE id = 1")
    one, other = two
    one.run(DELETIONS[way])
    other.start("SELECT soft_delete_c(1)")
    assert observer.settle(other, [one]) == "blocked"
    one.run("COMMIT")
    try:
        assert other.result()[0][0]["status"] == "already_deleted"
    except psycopg.errors.DeadlockDetected:
        pytest.fail("they take their locks in one order here")
    assert (live(family), live(family, "p")) == ([2], [2])


# ------------------------------------------------------------------------------------------- other isolation levels

# what has committed since the second one's snapshot, with what went before; the second; what it says under REPEATABLE
# READ, under SERIALIZABLE; whether a live child is left under a deleted parent (REPEATABLE READ)
INSERT = "INSERT INTO c VALUES (3, 1, 'z')"
MARK = DELETIONS["update"]
PURGE = "SELECT lifecycle.purge_deleted_step('p', '0')"
SINCE = {
    "child inserted, parent deleted": ("", INSERT, MARK, "done", "40001", True),
    "child restored, parent deleted": ("SELECT soft_delete_c(1)", "SELECT restore_c(1)", MARK, "done", "40001", True),
    "parent deleted, child inserted": ("", MARK, INSERT, "done", "40001", True),
    "parent deleted, parent deleted": ("", MARK, MARK, "40001", "40001", False),
    "parent deleted, by function": ("", MARK, DELETIONS["rpc"], "40001", "40001", False),
    "parent deleted, child restored": ("", MARK, "SELECT restore_c(1)", "not_deleted", "not_deleted", False),
    "child deleted, parent deleted": ("", "SELECT soft_delete_c(1)", MARK, "40001", "40001", False),
    "parent restored, parent deleted": (
        "SELECT soft_delete_p(1)",
        "SELECT restore_p(1)",
        MARK,
        "40001",
        "40001",
        False,
    ),
    "parent restored, purged": ("SELECT soft_delete_p(1)", "SELECT restore_p(1)", PURGE, "40001", "40001", False),
    "purged, parent restored": ("SELECT soft_delete_p(1)", PURGE, "SELECT restore_p(1)", "40001", "40001", False),
    "purged, child inserted": ("SELECT soft_delete_p(1)", PURGE, INSERT, "40001", "40001", False),
}


def outcome(connection, level, statements):
    """Begins, takes the snapshot, lets the others commit, and says how its own statement ends."""
    before, own = statements
    connection.execute(f"BEGIN ISOLATION LEVEL {level}")
    connection.execute("SELECT FROM p")
    before()
    try:
        answer = rows(connection, own)
        connection.execute("COMMIT")
    except psycopg.Error as error:
        connection.rollback()
        return error.sqlstate
    return answer[0][0]["status"] if answer and "status" in answer[0][0] else "done"


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
@pytest.mark.parametrize("case", SINCE)
def test_other_isolation_levels(family, case, level):
    earlier, first, second, repeatable, serializable, left = SINCE[case]
    if earlier:
        family.execute(earlier)
    one, other = family.connect(), family.connect()

    def others():
        if level == "SERIALIZABLE":
            one.execute(f"BEGIN ISOLATION LEVEL {level}; SELECT FROM p")
        one.execute(first)
        one.execute("COMMIT")

    if level == "REPEATABLE READ":
        assert outcome(other, level, (others, second)) == repeatable
        assert (live_under_deleted(family) != []) == left
    else:
        assert outcome(other, level, (others, second)) == serializable
        assert live_under_deleted(family) == []


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_live_foreign_keys_under_other_isolation_levels(family, level):
    """Neither the row that was live in the snapshot is believed, nor the one that was deleted."""
    call(family, "enable_soft_delete", target="c", live_foreign_keys=["c_p_fkey"])
    one, other = family.connect(), family.connect()
    assert outcome(other, level, (lambda: one.execute(MARK), INSERT)) == "40001"
    assert live_under_deleted(family) == []
    assert outcome(other, level, (lambda: one.execute("SELECT restore_p(1)"), INSERT)) == "40001"
    assert outcome(other, level, (lambda: None, INSERT)) == "done"
