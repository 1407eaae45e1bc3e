"""What is enabled, what is adopted, what is refused."""

from __future__ import annotations

import json

import pytest

from harness.calls import call, refused, rollback, rows, statuses
from harness.skips import needs

TABLE = """
CREATE TABLE public.t (id bigint PRIMARY KEY, name text);
INSERT INTO public.t VALUES (1, 'a'), (2, 'b'), (3, 'c');
"""


def enable(place, target="public.t", **more):
    return call(place, "enable_soft_delete", target=target, **more)


def test_adopts_a_column_with_values(database):
    database.execute(
        TABLE + "ALTER TABLE t ADD deleted_at timestamp; UPDATE t SET deleted_at = '2024-02-03 04:05' WHERE id = 2"
    )
    before = database.dump("-n", "public", sort_rows=True)
    steps = enable(database)
    assert next(s for s in steps if s.object == "column public.t.deleted_at").status == "skipped"
    assert database.execute("SELECT id FROM active_t ORDER BY id") == [(1,), (3,)]
    assert database.value("SELECT soft_delete_t(2)")["status"] == "already_deleted"
    assert database.value("SELECT soft_delete_t(1)")["status"] == "deleted"
    assert database.value("SELECT restore_t(2)") == {
        "status": "restored",
        "id": 2,
        "deletion_id": None,
        "count": 1,
        "cascaded": {},
    }
    database.execute("SELECT restore_t(1); UPDATE t SET deleted_at = '2024-02-03 04:05' WHERE id = 2")
    rollback(database, 1)
    assert database.dump("-n", "public", sort_rows=True) == before


def test_adopts_an_index(database):
    database.execute(TABLE + "ALTER TABLE t ADD deletion_id bigint; CREATE INDEX mine ON t (deletion_id, name)")
    before = database.dump(schema_only=True)
    enable(database)
    assert database.value("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass") == 2
    rollback(database, 1)
    assert database.dump(schema_only=True) == before


@pytest.mark.parametrize(
    "options",
    [
        "",
        "WITH (security_barrier)",
        "WITH (security_invoker = false)",
        "WITH (security_invoker = true)",
        "WITH (check_option = local)",
    ],
)
def test_adopts_a_view(database, roles, options):
    reader = roles("reader")
    database.execute(
        TABLE
        + f"ALTER TABLE t ADD deleted_at timestamptz; CREATE VIEW active_t {options} AS SELECT name AS called, id "
        f"FROM t "
        f"WHERE deleted_at IS NULL; GRANT SELECT, DELETE ON active_t TO {reader}; COMMENT ON VIEW active_t IS 'mine'"
    )
    before = database.dump(schema_only=True)
    enable(database)
    assert database.execute("DELETE FROM active_t WHERE called = 'b' RETURNING id") == [(2,)]
    assert database.execute("SELECT id FROM t WHERE deleted_at IS NOT NULL") == [(2,)]
    assert database.value("SELECT 'security_invoker=true' = ANY (reloptions) FROM pg_class WHERE relname = 'active_t'")
    rollback(database, 1)
    assert database.dump(schema_only=True) == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, name FROM t",
        "SELECT id, name FROM t WHERE deleted_at IS NOT NULL",
        "SELECT id, name FROM t WHERE deleted_at IS NULL AND id > 1",
        "SELECT DISTINCT id, name FROM t WHERE deleted_at IS NULL",
        "SELECT name FROM t WHERE deleted_at IS NULL",
        "SELECT id AS key, name FROM t WHERE deleted_at IS NULL",
        "SELECT other AS id, id AS name FROM t WHERE deleted_at IS NULL",
        "SELECT t.id, t.name FROM t JOIN u USING (id) WHERE deleted_at IS NULL",
        "SELECT 1 AS id",
    ],
)
def test_refuses_another_view_of_that_name(database, query):
    database.execute(
        TABLE + f"ALTER TABLE t ADD deleted_at timestamptz, ADD other bigint; CREATE TABLE u (id bigint); CREATE VIEW "
        f"active_t AS {query}"
    )
    before = database.dump()
    with refused("42P07", "public.active_t stands already", "view_name"):
        enable(database)
    assert database.dump() == before
    assert "done" in statuses(enable(database, view_name="living_t"))


def test_names_are_the_callers_choice(database):
    database.execute(TABLE)
    enable(
        database, column_name="gone", view_name="living", rpc_name="remove", restore_rpc_name="", rpc_argument="t_id"
    )
    assert database.value("SELECT remove(t_id => 1)")["t_id"] == 1
    assert database.execute("SELECT id FROM living ORDER BY id") == [(2,), (3,)]
    assert (
        database.execute(
            "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname <> 'remove'"
        )
        == []
    )
    assert database.execute("SELECT id FROM t WHERE gone IS NOT NULL") == [(1,)]


def test_no_rpc(database):
    database.execute(TABLE)
    enable(database, rpc_name="", restore_rpc_name="")
    assert database.execute("SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == []


def test_another_column_of_an_enabled_table(database):
    database.execute(TABLE)
    enable(database)
    with refused("55000", "with column deleted_at, not gone"):
        enable(database, column_name="gone", view_name="living")


KEYS = {
    "uuid": ("uuid", "'00000000-0000-0000-0000-000000000001'", "'00000000-0000-0000-0000-000000000002'"),
    "text": ("text", "'it''s {1}'", "'2'"),
    "varchar(3)": ("varchar(3)", "'abc'", "'ab'"),
    "char(3)": ("char(3)", "'abc'", "'ab'"),
    "numeric": ("numeric(4,1)", "1.5", "2"),
    "date": ("date", "'2024-02-29'", "'2024-03-01'"),
    "timestamptz": ("timestamptz", "'2024-02-29 01:02:03.456789+00'", "'2024-03-01 00:00+00'"),
    "bytea": ("bytea", "'\\xdeadbeef'", "'\\x00'"),
    "enum": ("public.mood", "'sad'", "'glad'"),
    "domain": ("public.code", "'AB'", "'CD'"),
    "smallint": ("smallint", "1", "2"),
    "double": ("double precision", "0.1", "1e300"),
    "interval": ("interval", "'1 day'", "'2 days'"),
    "inet": ("inet", "'10.0.0.1/8'", "'10.0.0.2'"),
    "bit": ("bit(3)", "B'101'", "B'111'"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_of_any_type(database, kind):
    type_name, one, two = KEYS[kind]
    database.execute(
        "CREATE TYPE public.mood AS ENUM ('sad', 'glad'); CREATE DOMAIN public.code AS text CHECK (value ~ '^[A-Z]+$')"
    )
    database.execute(f"CREATE TABLE t (id {type_name} PRIMARY KEY); INSERT INTO t VALUES ({one}), ({two})")
    enable(database)
    text = database.value(f"SELECT ({one}::{type_name})::text")
    for delete, restore in [
        (f"lifecycle.soft_delete('t', {one}::{type_name})", f"lifecycle.restore('t', {one}::{type_name})"),
        ("lifecycle.soft_delete('t', %s::text)", "lifecycle.restore('t', %s::text)"),
        (
            "lifecycle.soft_delete('t', jsonb_build_object('id', %s::text))",
            "lifecycle.restore('t', jsonb_build_object('id', %s::text))",
        ),
        (f"soft_delete_t({one}::{type_name})", f"restore_t({one}::{type_name})"),
    ]:
        assert database.value(f"SELECT {delete}", [text] if "%s" in delete else None)["status"] == "deleted"
        assert database.value(f"SELECT array_agg(id = {one}) FROM t WHERE deleted_at IS NOT NULL") == [True]
        assert database.value(f"SELECT {restore}", [text] if "%s" in restore else None)["status"] == "restored"
    database.execute(f"DELETE FROM active_t WHERE id = {two}")
    assert database.value(f"SELECT array_agg(id = {one}) FROM active_t") == [True]


@pytest.mark.parametrize(
    ("type_name", "value", "longer"),
    [
        ("varchar(3)", "abc", "abcd"),
        ("char(3)", "abc", "abcd"),
        ("numeric(4,0)", "2", "1.6"),
        ("timestamp(0)", "2024-01-01 00:00:02", "2024-01-01 00:00:01.6"),
    ],
)
def test_a_key_is_not_cut_down_to_another(database, type_name, value, longer):
    database.execute(f"CREATE TABLE t (id {type_name} PRIMARY KEY); INSERT INTO t VALUES ('{value}')")
    enable(database)
    assert database.value("SELECT lifecycle.soft_delete('t', %s::text)", [longer])["status"] == "not_found"


def test_key_with_an_operator_outside_the_path(database, server):
    if not server.available("citext"):
        needs("citext")
    database.execute(
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE TABLE t (id ext.citext PRIMARY KEY); INSERT "
        "INTO t VALUES ('Ann'), ('bob')"
    )
    enable(database)
    assert database.value("SELECT lifecycle.soft_delete('t', 'ANN')")["status"] == "deleted"
    assert database.value("SELECT soft_delete_t('BOB')")["status"] == "deleted"
    assert database.value("SELECT restore_t('boB')")["status"] == "restored"


def test_composite_key(database):
    database.execute(
        "CREATE TABLE member (team int, person text, role text, PRIMARY KEY (person, team)); "
        "INSERT INTO member VALUES (1, 'ann'), (1, 'bob'), (2, 'ann')"
    )
    enable(database, target="member")
    assert database.value('SELECT lifecycle.soft_delete(\'member\', \'{"team": 1, "person": "ann"}\'::jsonb)') == {
        "status": "deleted",
        "key": {"team": 1, "person": "ann"},
        "deletion_id": database.value("SELECT max(deletion_id) FROM lifecycle.deletion"),
        "count": 1,
        "cascaded": {},
    }
    assert database.value("SELECT soft_delete_member(team => 2, person => 'ann')")["status"] == "deleted"
    assert database.execute("DELETE FROM active_member RETURNING team, person") == [(1, "bob")]
    assert database.value("SELECT restore_member('ann', 1)")["status"] == "restored"
    for key in (
        '{"team": 1}',
        '{"team": 1, "person": "x", "role": "y"}',
        '{"team": null, "person": "x"}',
        "3",
        "null",
        "[1, 2]",
        '{"TEAM": 1, "person": "x"}',
    ):
        with refused("22023", "is not a key of public.member", "(person, team)"):
            database.execute("SELECT lifecycle.soft_delete('member', %s::jsonb)", [key])
    with refused("22023"):
        database.execute("SELECT lifecycle.soft_delete('member', 'ann')")


def test_identity_and_generated_columns(database):
    database.execute(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) "
        "STORED); "
        "INSERT INTO t (a) VALUES (1), (2)"
    )
    enable(database)
    assert database.execute("DELETE FROM active_t WHERE b = 2 RETURNING id, b") == [(1, 2)]
    assert database.value("SELECT restore_t(1)")["status"] == "restored"


def test_partitioned_table(database):
    database.execute(
        "CREATE TABLE p (at date, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at); "
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01'); "
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY LIST (id); "
        "CREATE TABLE p2_rest PARTITION OF p2 DEFAULT; "
        "INSERT INTO p SELECT '2024-01-15'::date + i, i FROM generate_series(0, 30) i"
    )
    enable(database, target="p")
    assert database.value("SELECT soft_delete_p('2024-01-16', 1)")["status"] == "deleted"
    connection = database.connect()
    assert connection.execute("DELETE FROM active_p WHERE id BETWEEN 10 AND 20 RETURNING id").rowcount == 11
    assert connection.execute("UPDATE p SET deleted_at = now() WHERE id > 25").rowcount == 5
    assert rows(database, "SELECT table_name, row_count FROM lifecycle.deletion ORDER BY 2") == [
        ("p", 1),
        ("p", 5),
        ("p", 11),
    ]
    number = database.value("SELECT deletion_id FROM lifecycle.deletion WHERE row_count = 11")
    assert database.value("SELECT lifecycle.restore(%s)", [number])["count"] == 11
    database.execute(
        "CREATE TABLE p3 PARTITION OF p FOR VALUES FROM ('2024-03-01') TO ('2024-04-01'); INSERT INTO p VALUES "
        "('2024-03-02', 99)"
    )
    assert database.value("SELECT soft_delete_p('2024-03-02', 99)")["status"] == "deleted"
    database.execute("UPDATE p SET at = '2024-03-09' WHERE id = 2")
    assert database.execute("SELECT tableoid::regclass::text FROM p WHERE id = 2") == [("p3",)]
    database.execute("DELETE FROM active_p WHERE id = 2")
    database.execute("UPDATE p SET at = '2024-01-09', deleted_at = NULL WHERE id = 2")
    assert database.execute("SELECT tableoid::regclass::text, deleted_at, deletion_id FROM p WHERE id = 2") == [
        ("p1", None, None)
    ]
    for leaf in ("p1", "p2", "p2_rest"):
        with refused("42809", "partition", "enable_soft_delete('public.p"):
            enable(database, target=leaf)
    call(database, "rollback_soft_delete", target="p", deleted_rows="restore", dry_run=False)
    assert database.value("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal AND tgname !~ '^migration_'") == 0


REFUSED = {
    "no key": ("CREATE TABLE public.x (id int)", "55000", "has no primary key"),
    "unique is no key": ("CREATE TABLE public.x (id int NOT NULL UNIQUE)", "55000", "ADD PRIMARY KEY"),
    "view": ("CREATE VIEW public.x AS SELECT 1 AS id", "42809", "is a view"),
    "inheritance parent": (
        "CREATE TABLE public.x (id int PRIMARY KEY); CREATE TABLE public.c () INHERITS (public.x)",
        "42809",
        "public.c inherits from it",
    ),
    "inheritance child": (
        "CREATE TABLE public.a (id int); CREATE TABLE public.x (PRIMARY KEY (id)) INHERITS (public.a)",
        "42809",
        "inheritance",
    ),
    "date": ("CREATE TABLE public.x (id int PRIMARY KEY, deleted_at date)", "42804", "deleted_at of public.x"),
    "boolean": ("CREATE TABLE public.x (id int PRIMARY KEY, deleted_at boolean)", "42804", "it is boolean"),
    "number of another type": (
        "CREATE TABLE public.x (id int PRIMARY KEY, deletion_id int)",
        "42804",
        "column deletion_id of public.x",
    ),
    "never null": (
        "CREATE TABLE public.x (id int PRIMARY KEY, deleted_at timestamptz NOT NULL DEFAULT 'infinity')",
        "55000",
        "cannot mark deleted rows",
    ),
    "generated": (
        "CREATE TABLE public.x (id int PRIMARY KEY, a timestamp, deleted_at timestamp GENERATED ALWAYS AS (a) STORED)",
        "55000",
        "generated",
    ),
    "identity": (
        "CREATE TABLE public.x (id int PRIMARY KEY, deletion_id bigint GENERATED ALWAYS AS IDENTITY)",
        "55000",
        "deletion_id",
    ),
    "table of that name": (
        "CREATE TABLE public.x (id int PRIMARY KEY); CREATE TABLE public.active_x (id int)",
        "42P07",
        "public.active_x stands already",
    ),
    "system catalog": ("CREATE TABLE pg_temp.x (id int PRIMARY KEY)", "42809", "temporary"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(database, case):
    setup, sqlstate, words = REFUSED[case]
    database.execute(setup)
    before = database.dump()
    for dry_run in (True, False):
        with refused(sqlstate, words):
            enable(database, target="x", dry_run=dry_run)
    assert database.dump() == before


@pytest.mark.min_major(18)
def test_key_without_overlaps(database):
    database.execute("CREATE TABLE x (id int4range, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS))")
    with refused("55000", "WITHOUT OVERLAPS"):
        enable(database, target="x")


def test_a_function_of_somebody_else_is_not_taken_over(database, roles):
    other, owner = roles("other"), roles("owner")
    database.execute(
        f"GRANT CREATE ON SCHEMA public TO {other}, {owner}; CREATE TABLE x (id int PRIMARY KEY); ALTER TABLE x OWNER "
        f"TO {owner}"
    )
    for name in (other, owner):
        call(database, "grant_lifecycle_admin", role_name=name)
    thief = database.connect(other)
    thief.execute("CREATE FUNCTION public.soft_delete_x(int) RETURNS jsonb LANGUAGE sql AS 'SELECT NULL::jsonb'")
    with refused("42723", f"belongs to {other}"):
        enable(database.connect(owner), target="public.x")
    routine = database.value("SELECT lifecycle._soft_delete_routine('x', '_row')")
    thief.execute(
        f"DROP FUNCTION public.soft_delete_x(int); CREATE FUNCTION {routine}() RETURNS trigger LANGUAGE plpgsql AS "
        f"'BEGIN RETURN NEW; END'"
    )
    with refused("42723", f"belongs to {other}"):
        enable(database.connect(owner), target="public.x")


def test_who_may_enable(database, roles):
    owner, other = roles("owner"), roles("other")
    database.execute(
        f"GRANT CREATE ON SCHEMA public TO {owner}; CREATE TABLE x (id int PRIMARY KEY); ALTER TABLE x OWNER TO {owner}"
    )
    for name in (owner, other):
        call(database, "grant_lifecycle_use", role_name=name)
        with refused("42501"):
            enable(database.connect(name), target="public.x")
    for name in (owner, other):
        call(database, "grant_lifecycle_admin", role_name=name)
    with refused("42501", "owner of"):
        enable(database.connect(other), target="public.x")
    connection = database.connect(owner)
    assert "done" in statuses(enable(connection, target="public.x"))
    connection.execute("INSERT INTO x VALUES (1); DELETE FROM active_x")
    assert connection.execute("SELECT row_count, effective_role FROM lifecycle.deletion").fetchall() == [(1, owner)]
    call(connection, "rollback_soft_delete", target="public.x", deleted_rows="restore", dry_run=False)


def test_grants_are_mirrored_and_nothing_goes_to_public(database, roles):
    reader, writer, remover = roles("reader"), roles("writer"), roles("remover")
    database.execute(
        TABLE + f"GRANT SELECT ON t TO {reader}; GRANT SELECT, INSERT, UPDATE ON t TO {writer}; GRANT SELECT, DELETE, "
        f"TRUNCATE ON t TO {remover}"
    )
    enable(database)
    granted = set(
        database.execute(
            "SELECT pg_get_userbyid(a.grantee), a.privilege_type FROM pg_class c, aclexplode(c.relacl) a "
            "WHERE c.relname = 'active_t' AND a.grantee <> c.relowner"
        )
    )
    assert granted == {
        (reader, "SELECT"),
        (writer, "SELECT"),
        (writer, "INSERT"),
        (writer, "UPDATE"),
        (remover, "SELECT"),
        (remover, "DELETE"),
    }
    found = set(
        database.execute(
            "SELECT p.proname, pg_get_userbyid(a.grantee) FROM pg_proc p, aclexplode(p.proacl) a "
            "WHERE p.pronamespace = 'public'::regnamespace AND a.grantee <> p.proowner"
        )
    )
    assert found == {
        ("soft_delete_t", writer),
        ("soft_delete_t", remover),
        ("restore_t", writer),
        ("restore_t", remover),
    }
    public = database.execute(
        "SELECT p.oid::regprocedure::text FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) "
        "a "
        "WHERE p.pronamespace IN ('public'::regnamespace, 'lifecycle_data'::regnamespace) AND a.grantee = 0"
    )
    assert public == []


def test_large_table_gets_its_index_later(database):
    database.execute(TABLE + "SET lifecycle.large_table = '0'")
    steps = enable(database)
    (index,) = [s for s in steps if s.action == "create index"]
    assert (index.status, index.stage) == ("pending", 2)
    assert "CREATE INDEX CONCURRENTLY" in index.statement
    assert database.value("SELECT soft_delete_t(1)")["status"] == "deleted"
    assert database.value("SELECT lifecycle.restore(deletion_id) FROM lifecycle.deletion")["count"] == 1
    database.execute(database.value("SELECT statement FROM lifecycle.pending_steps()"))
    database.execute("CALL lifecycle.run_pending()")
    assert database.execute("SELECT * FROM lifecycle.verify_migrations() WHERE severity <> 'ok'") == []
    rollback(database, 1)
    assert database.value("SELECT to_regclass('t_deletion_id_idx')") is None


def test_expected_plan(database):
    database.execute(TABLE)
    reviewed = enable(database, dry_run=True)[0].plan_hash
    database.execute("ALTER TABLE t ADD surprise int")
    with refused("55000"):
        enable(database, expected_plan=reviewed)


def test_json_arguments(database):
    """As PostgREST calls a function: named arguments out of a JSON object."""
    database.execute(TABLE)
    enable(database, rpc_argument="t_id")
    body = json.dumps({"t_id": 2})
    assert (
        database.value(
            "SELECT public.soft_delete_t(t_id => a.t_id) FROM json_to_record(%s) AS a (t_id bigint)", [body]
        )["status"]
        == "deleted"
    )
