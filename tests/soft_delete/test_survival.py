"""A soft delete never becomes a real one: without the extension, as a replica, with a trigger switched off."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, rows, statuses

TABLE = """
CREATE TABLE public.t (id bigint PRIMARY KEY, name text);
INSERT INTO public.t SELECT i, 'n' || i FROM generate_series(1, 6) AS i;
"""


@pytest.fixture
def t(database):
    database.execute(TABLE)
    call(database, "enable_soft_delete", target="public.t")
    return database


def state(place, table="public.t"):
    return dict(rows(place, f"SELECT id, deleted_at IS NULL FROM {table} ORDER BY id"))


def delete_in_every_way(place, function=True):
    """Deletes 1 to 4, each in another way."""
    place.execute("DELETE FROM public.active_t WHERE id = 1")
    place.execute("SELECT public.soft_delete_t(2)")
    place.execute("UPDATE public.t SET deleted_at = now() WHERE id = 3")
    if function:
        place.execute("SELECT lifecycle.soft_delete('public.t', 4)")
    return state(place)


ALL = {1: False, 2: False, 3: False, 4: False, 5: True, 6: True}
WITHOUT_FUNCTION = {**ALL, 4: True}


def test_without_the_extension(t):
    t.execute("SELECT lifecycle.soft_delete('public.t', 5); DROP EXTENSION pg_lifecycle")
    assert delete_in_every_way(t, function=False) == {**WITHOUT_FUNCTION, 5: False}
    assert t.value("SELECT count(DISTINCT deletion_id) FROM t") == 4
    t.execute("DELETE FROM active_t WHERE id IN (4, 6)")
    assert t.value("SELECT count(*) FROM t WHERE deletion_id = (SELECT max(deletion_id) FROM t)") == 2
    assert t.value("SELECT restore_t(1)")["status"] == "restored"
    t.execute(
        "UPDATE t SET deleted_at = NULL WHERE id < 4; INSERT INTO active_t VALUES (7, 'x'); UPDATE active_t SET name "
        "= 'y'; DELETE FROM t WHERE id = 7"
    )
    assert state(t) == {1: True, 2: True, 3: True, 4: False, 5: False, 6: False}


def test_without_the_extension_in_an_open_session(t):
    """Plans that were made while it was there."""
    for _ in range(7):
        delete_in_every_way(t)
        t.execute("UPDATE t SET deleted_at = NULL")
    t.execute("DROP EXTENSION pg_lifecycle")
    assert delete_in_every_way(t, function=False) == WITHOUT_FUNCTION


def test_extension_comes_again(t):
    delete_in_every_way(t)
    t.execute(
        "DROP EXTENSION pg_lifecycle; UPDATE t SET deleted_at = now() WHERE id = 5; CREATE EXTENSION pg_lifecycle"
    )
    assert t.value("SELECT lifecycle.soft_delete('public.t', 6)")["status"] == "deleted"
    assert t.value("SELECT count(*) FROM t WHERE deletion_id = (SELECT max(deletion_id) FROM lifecycle.deletion)") == 1
    assert t.execute("SELECT deleted FROM lifecycle.soft_delete_stats()") == [(6,)]
    call(t, "enable_soft_delete", target="public.t")
    assert t.value("SELECT lifecycle.restore('public.t', 1)")["status"] == "restored"


def test_dump_and_restore(t, server):
    delete_in_every_way(t)
    t.execute("UPDATE t SET deleted_at = now() WHERE id > 4")
    number = t.value("SELECT max(deletion_id) FROM lifecycle.deletion")
    other = t.empty()
    # Oids that mean another table there.
    other.execute("CREATE TABLE public.decoy (id int)")
    server.restore(other.name, server.dump(t.name))
    assert state(other) == state(t)
    assert other.value("SELECT lifecycle.restore(%s)", [number])["count"] == 2
    assert other.execute("SELECT restored_count FROM lifecycle.deletion WHERE deletion_id = %s", [number]) == [(2,)]
    assert other.value("SELECT lifecycle.soft_delete('public.t', 5)")["status"] == "deleted"
    assert other.value("SELECT soft_delete_t(6)")["status"] == "deleted"
    assert other.value("SELECT max(deletion_id) FROM lifecycle.deletion") > number
    assert set(statuses(call(other, "enable_soft_delete", target="public.t"))) == {"skipped"}
    call(other, "rollback_soft_delete", target="public.t", deleted_rows="restore", dry_run=False)
    assert other.value("SELECT count(*) FROM information_schema.columns WHERE table_name = 't'") == 2


def test_record_does_not_mean_the_table_that_has_its_oid_elsewhere(t, roles):
    """In a restored database the oid of a record may be another table's: only the name counts there."""
    t.execute("CREATE TABLE public.secret (id int); SELECT soft_delete_t(1)")
    t.execute("UPDATE lifecycle.deletion SET origin = 'elsewhere', table_oid = 'public.secret'::regclass")
    reader = roles("reader")
    call(t, "grant_lifecycle_use", role_name=reader)
    t.execute(f"GRANT SELECT ON secret TO {reader}")
    assert rows(t.connect(reader), "SELECT count(*) FROM lifecycle.deletion") == [(0,)]
    assert t.value("SELECT lifecycle.restore(deletion_id) FROM lifecycle.deletion")["count"] == 1


def test_as_a_replica(t):
    t.execute("SET session_replication_role = replica")
    assert t.value("SELECT soft_delete_t(2)")["status"] == "deleted"
    assert t.value("SELECT lifecycle.soft_delete('t', 4)")["status"] == "deleted"
    t.execute("UPDATE t SET deleted_at = now() WHERE id = 3")
    assert state(t) == {1: True, 2: False, 3: False, 4: False, 5: True, 6: True}
    assert t.value("SELECT count(DISTINCT deletion_id) FROM t") == 3
    assert t.value("SELECT restore_t(2)")["status"] == "restored"
    # What a publisher has numbered is taken over as it comes.
    t.execute(
        "UPDATE t SET deleted_at = '2024-01-01', deletion_id = 77 WHERE id = 5; "
        "UPDATE t SET deleted_at = NULL, deletion_id = NULL WHERE id = 3"
    )
    assert t.execute("SELECT id, deletion_id FROM t WHERE id IN (3, 5) ORDER BY id") == [(3, None), (5, 77)]


def test_the_view_as_a_replica(t):
    """A limit of PostgreSQL: triggers of views cannot be ENABLE ALWAYS. Nothing is deleted then, in any way."""
    t.execute("SET session_replication_role = replica; DELETE FROM active_t WHERE id = 1")
    assert state(t) == dict.fromkeys(range(1, 7), True)


@pytest.fixture
def remover(t, roles):
    """A role that may DELETE and not UPDATE, so that its DELETE has to be turned into a mark."""
    name = roles("remover")
    call(t, "grant_lifecycle_use", role_name=name)
    t.execute(
        f"GRANT SELECT, DELETE ON t, active_t TO {name}; GRANT EXECUTE ON FUNCTION soft_delete_t(bigint) TO {name}"
    )
    return name


@pytest.mark.parametrize("how", ["DISABLE TRIGGER aa_soft_delete", "DISABLE TRIGGER USER", "DISABLE TRIGGER ALL"])
def test_with_a_trigger_switched_off(t, remover, how):
    t.execute(f"ALTER TABLE t {how}")
    for statement in (
        "DELETE FROM active_t WHERE id = 1",
        "SELECT soft_delete_t(1)",
        "SELECT lifecycle.soft_delete('t', 1)",
        "SELECT lifecycle.soft_delete_where('t', 'id < 3')",
    ):
        with refused("55000", "would really have been deleted", "ENABLE ALWAYS TRIGGER"):
            rows(t.connect(remover), statement)
    assert set(state(t)) == {1, 2, 3, 4, 5, 6}
    delete_in_every_way(t)
    assert state(t) == ALL


def test_as_a_replica_without_always(t, remover):
    t.execute("ALTER TABLE t ENABLE TRIGGER aa_soft_delete")
    t.execute(f"SET session_replication_role = replica; SET ROLE {remover}")
    with refused("55000", "would really have been deleted"):
        t.execute("SELECT soft_delete_t(1)")


def test_renamed_column_fails_loudly(t):
    t.execute("SELECT soft_delete_t(1); ALTER TABLE t RENAME deleted_at TO gone")
    for statement in ("UPDATE t SET gone = now() WHERE id = 2", "SELECT soft_delete_t(2)"):
        with refused("42703"):
            t.execute(statement)
    assert state_of(t, "gone") == [1]


def state_of(place, column):
    return [row[0] for row in rows(place, f"SELECT id FROM t WHERE {column} IS NOT NULL ORDER BY id")]


def test_renamed_table_fails_loudly(t):
    t.execute("ALTER TABLE t RENAME TO u")
    with refused("55000", "active_t does not show rows of public.t", "sync_active_view"):
        t.execute("DELETE FROM active_t WHERE id = 1")
    with refused("42P01"):
        t.execute("SELECT soft_delete_t(1)")
    assert t.value("SELECT lifecycle.soft_delete('u', 1)")["status"] == "deleted"
    assert t.execute("SELECT table_name, row_count FROM lifecycle.deletion") == [("u", 1)]
    t.execute("UPDATE u SET deleted_at = NULL")
    rollback(t, 1)
    assert t.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname !~ '^migration_'") == 0


# ---------------------------------------------------------------------------------------------------- rollback

CHOICES = {
    "restore": ({1: True, 2: True, 3: True, 4: True, 5: True, 6: True}, 2),
    "purge": ({3: True, 4: True, 5: True, 6: True}, 2),
    "keep": ({1: False, 2: False, 3: True, 4: True, 5: True, 6: True}, 4),
}


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("by", ["named", "number"])
def test_rollback_with_deleted_rows(t, choice, by):
    rows_left, columns = CHOICES[choice]
    t.execute("UPDATE t SET deleted_at = now() WHERE id < 3")
    before = t.dump()
    for dry_run in (True, False):
        with refused("55000", "while deleted rows exist", "2 rows are marked", "restore", "purge", "keep"):
            call(t, "rollback_soft_delete", target="t", dry_run=dry_run)
    with refused("22023", "Choose refuse, restore, purge or keep"):
        call(t, "rollback_soft_delete", target="t", deleted_rows="drop")
    assert {"planned", "skipped"} >= set(statuses(call(t, "rollback_soft_delete", target="t", deleted_rows=choice)))
    assert t.dump() == before
    if by == "named":
        call(t, "rollback_soft_delete", target="t", deleted_rows=choice, dry_run=False)
    else:
        t.execute(
            "SELECT * FROM lifecycle.rollback_migration(1, dry_run => false, options => "
            "jsonb_build_object('deleted_rows', %s::text))",
            [choice],
        )
    assert t.value("SELECT count(*) FROM information_schema.columns WHERE table_name = 't'") == columns
    if choice == "keep":
        assert state(t) == rows_left
    else:
        assert {row[0]: True for row in t.execute("SELECT id FROM t ORDER BY id")} == rows_left
    assert t.value("SELECT to_regclass('active_t')") is None
    assert t.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname !~ '^migration_'") == 0
    assert t.value("SELECT count(*) FROM lifecycle.deletion") == 1


def test_kept_columns_are_adopted_again(t):
    t.execute("UPDATE t SET deleted_at = now() WHERE id < 3")
    number = t.value("SELECT deletion_id FROM lifecycle.deletion")
    call(t, "rollback_soft_delete", target="t", deleted_rows="keep", dry_run=False)
    call(t, "enable_soft_delete", target="t")
    assert t.value("SELECT lifecycle.restore(%s)", [number])["count"] == 2
    call(t, "rollback_soft_delete", target="t", dry_run=False)


def test_rollback_of_nothing(t):
    t.execute("CREATE TABLE public.u (id int PRIMARY KEY)")
    with refused("55000", "no soft delete stands on public.u"):
        call(t, "rollback_soft_delete", target="u")
    call(t, "rollback_soft_delete", target="t", dry_run=False)
    with refused("55000"):
        call(t, "rollback_soft_delete", target="t")
    with refused("55000", "soft delete is not enabled", "enable_soft_delete"):
        t.execute("SELECT lifecycle.soft_delete('t', 1)")


def test_rollback_with_a_view_on_the_view(t):
    t.execute("CREATE VIEW public.names AS SELECT name FROM active_t")
    with refused("2BP01"):
        call(t, "rollback_soft_delete", target="t", dry_run=False)
    assert t.value("SELECT soft_delete_t(1)")["status"] == "deleted"
