"""Interception: a DELETE on the table itself marks its rows, and a real one has to be asked for by its owner."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

TABLES = """
CREATE TABLE public.team (id int PRIMARY KEY);
CREATE TABLE public.member (id int PRIMARY KEY, team int REFERENCES public.team ON DELETE CASCADE, name text);
INSERT INTO public.team VALUES (1), (2);
INSERT INTO public.member VALUES (1, 1, 'ann'), (2, 1, 'bob'), (3, 2, 'cid'), (4, NULL, 'dan');
"""


@pytest.fixture
def member(database, roles):
    owner = roles("owner")
    database.role = owner
    call(database, "grant_lifecycle_admin", role_name=owner)
    database.execute(
        TABLES + f"ALTER TABLE team OWNER TO {owner}; ALTER TABLE member OWNER TO {owner}; "
        f"GRANT CREATE ON SCHEMA public TO {owner}"
    )
    call(
        database.connect(owner),
        "enable_soft_delete",
        target="public.member",
        intercept=True,
    )
    return database


def state(database):
    return database.execute("SELECT id, deleted_at IS NULL FROM member ORDER BY id")


def live(database):
    return [key for key, is_live in state(database) if is_live]


def test_marks_as_one_deletion(member):
    member.execute("SET lifecycle.reason = 'why'; DELETE FROM member WHERE id < 3")
    assert state(member) == [(1, False), (2, False), (3, True), (4, True)]
    assert member.execute("SELECT row_count, reason FROM lifecycle.deletion") == [(2, "why")]
    assert member.value("SELECT lifecycle.restore(deletion_id) FROM lifecycle.deletion")["count"] == 2
    member.execute("DELETE FROM active_member WHERE id = 1; SELECT soft_delete_member(2); DELETE FROM member")
    assert state(member) == [(1, False), (2, False), (3, False), (4, False)]
    assert [row[0] for row in member.execute("SELECT row_count FROM lifecycle.deletion ORDER BY deletion_id")] == [
        2, 1, 1, 2
    ]  # fmt: skip


def test_a_setting_does_not_stay_behind(member):
    connection = member.connect(autocommit=False)
    connection.execute("DELETE FROM member WHERE id = 1")
    assert rows(connection, "SELECT current_setting('lifecycle.soft_delete', true)") in ([("",)], [(None,)])
    connection.rollback()


def test_a_real_delete_is_the_owners(member, roles):
    app = roles("app")
    member.execute(f"GRANT SELECT, DELETE, TRUNCATE ON member TO {app}")
    stranger = member.connect(app)
    stranger.execute("SET lifecycle.real_delete = 'public.member'")
    stranger.execute("DELETE FROM member WHERE id = 1")
    assert state(member)[0] == (1, False), "the setting alone does nothing"
    with refused(
        "55000",
        "public.member cannot be truncated",
        "SET LOCAL lifecycle.real_delete = 'public.member'",
    ):
        stranger.execute("TRUNCATE member")
    owner = member.connect(member.role)
    with refused("55000", "truncated"):
        owner.execute("TRUNCATE member")
    with owner.transaction():
        owner.execute("SET LOCAL lifecycle.real_delete = 'public.member'")
        owner.execute("DELETE FROM member WHERE id < 3")
    assert state(member) == [(3, True), (4, True)]
    with owner.transaction():
        owner.execute("SET LOCAL lifecycle.real_delete = 'public.member'")
        owner.execute("TRUNCATE member")
    assert state(member) == []


def test_purge(member, roles):
    member.execute("DELETE FROM member WHERE id < 3")
    app = roles("app")
    call(member, "grant_lifecycle_admin", role_name=app)
    member.execute(f"GRANT SELECT, UPDATE, DELETE ON member TO {app}")
    with refused("42501", "must be owner of public.member"):
        member.connect(app).execute("SELECT lifecycle.purge_deleted_step('public.member', '0')")
    member.connect(member.role).execute("CALL lifecycle.purge_deleted('public.member', '0', dry_run => false)")
    assert state(member) == [(3, True), (4, True)]
    member.connect(member.role).execute("DELETE FROM member")
    assert state(member) == [(3, False), (4, False)], "a real one must be asked for again"


def test_cascade_of_a_real_delete(member):
    """The row of a foreign key that cascades must really go, or the key would lie."""
    member.execute("DELETE FROM team WHERE id = 1")
    assert state(member) == [(3, True), (4, True)]
    member.execute("CREATE FUNCTION drop_team(int) RETURNS void LANGUAGE sql AS 'DELETE FROM team WHERE id = $1'")
    member.execute("SELECT drop_team(2)")
    assert state(member) == [(4, True)]


@pytest.mark.parametrize("tail", ["", '\\n-- SQL statement "x'])
def test_a_pretended_cascade(member, tail):
    member.execute(
        "CREATE FUNCTION pretend(int) RETURNS void LANGUAGE plpgsql AS $$BEGIN EXECUTE E'DELETE FROM ONLY "
        f'"public"."member" WHERE $1 OPERATOR(pg_catalog.=) "team" --{tail}'
        "' USING $1; END$$"
    )
    member.execute("SELECT pretend(1)")
    assert state(member) == [(1, False), (2, False), (3, True), (4, True)]


def test_statements_that_delete(member):
    member.execute("WITH gone AS (DELETE FROM member WHERE id = 1 RETURNING id) INSERT INTO team SELECT 9 FROM gone")
    assert member.value("SELECT count(*) FROM team") == 2, "RETURNING has nothing to return"
    member.execute(
        "MERGE INTO member AS m USING team AS t ON m.team = t.id WHEN MATCHED AND t.id = 2 THEN DELETE "
        "WHEN MATCHED THEN UPDATE SET name = 'x'"
    )
    assert live(member) == [2, 4]
    connection = member.connect()
    assert connection.execute("DELETE FROM member WHERE id = 2").rowcount == 0
    assert connection.execute("DELETE FROM active_member WHERE id = 4").rowcount == 1
    member.execute("SET session_replication_role = replica; INSERT INTO member VALUES (7); DELETE FROM member")
    assert member.value("SELECT count(*) FROM member WHERE deleted_at IS NOT NULL") == 5


def test_the_key_may_be_updated(member):
    member.execute("UPDATE member SET id = 10 WHERE id = 1")
    assert live(member) == [2, 3, 4, 10]


def test_policies_decide(member, roles):
    app = roles("app")
    member.execute(
        f"GRANT SELECT, DELETE ON member TO {app}; ALTER TABLE member ENABLE ROW LEVEL SECURITY; "
        f"CREATE POLICY r ON member FOR SELECT TO {app} USING (deleted_at IS NULL); "
        f"CREATE POLICY d ON member FOR DELETE TO {app} USING (team = 1)"
    )
    member.connect(app).execute("DELETE FROM member")
    assert live(member) == [3, 4]


def test_rollback(member):
    member.execute("DELETE FROM member WHERE id = 1")
    owner = member.connect(member.role)
    call(
        owner,
        "rollback_soft_delete",
        target="member",
        deleted_rows="purge",
        dry_run=False,
    )
    member.execute("DELETE FROM member WHERE id = 2")
    assert member.execute("SELECT id FROM member ORDER BY id") == [(3,), (4,)]
    assert member.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname !~ '^migration_'") == 0


def test_added_later_and_taken_back_alone(database):
    database.execute(TABLES)
    call(database, "enable_soft_delete", target="member")
    before = database.dump(schema_only=True)
    steps = call(database, "enable_soft_delete", target="member", intercept=True)
    note = next(s.note for s in steps if s.object == "trigger aa_soft_delete_intercept on public.member")
    assert "public.team (member_team_fkey)" in note
    assert "SHARE ROW EXCLUSIVE" in note
    database.execute("DELETE FROM member WHERE id = 1")
    assert live(database) == [2, 3, 4]
    call(
        database,
        "rollback_migration",
        migration_id=steps[0].migration_id,
        dry_run=False,
    )
    assert database.dump(schema_only=True) == before


def test_partitioned_table(database):
    database.execute("CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id)")
    for dry_run in (True, False):
        with refused("0A000", "partitioned table public.p", "REVOKE DELETE"):
            call(
                database,
                "enable_soft_delete",
                target="p",
                intercept=True,
                dry_run=dry_run,
            )


def test_another_owner_and_name(member, roles):
    member.execute(f"ALTER TABLE member OWNER TO {roles('other')}; ALTER TABLE member RENAME TO person")
    call(member, "sync_active_view", target="person")
    member.execute("DELETE FROM person WHERE id = 1")
    assert member.value("SELECT deleted_at IS NOT NULL FROM person WHERE id = 1")
    member.execute("SET lifecycle.real_delete = 'public.person'; DELETE FROM person WHERE id = 2")
    assert member.value("SELECT count(*) FROM person") == 3
    with refused("55000", "public.person cannot be truncated"):
        member.execute("RESET lifecycle.real_delete; TRUNCATE person")


def test_findings(member):
    member.execute("ALTER TABLE member ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    found = member.execute("SELECT severity, finding FROM lifecycle.check_soft_delete('member') ORDER BY 1")
    assert ("error", "owner is under row-level security and has no policy") in found
    assert ("info", "rows go for good with public.team") in found
    member.execute(f"CREATE POLICY own ON member TO {member.role} USING (true)")
    found = member.execute("SELECT finding FROM lifecycle.check_soft_delete('member') WHERE severity = 'error'")
    assert found == []
