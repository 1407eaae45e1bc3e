"""Names as people and attackers choose them: nothing breaks, nothing is injected, all is taken back."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg import sql

from harness.calls import rows

LETTERS = st.characters(blacklist_characters="\0", blacklist_categories=("Cs",))
EVIL = [
    'x"; DROP TABLE public.canary; --',
    "x'; DROP TABLE public.canary; --",
    "$fn$; DROP TABLE public.canary; $fn$",
    "$$",
    "select",
    "user",
    "table",
    "CamelCase",
    "with space",
    "semi;colon",
    'quo"te',
    "apo'strophe",
    "back\\slash",
    "dot.ted",
    "%s",
    "%I",
    "%%",
    "ü" * 31,
    "x" * 63,
    "日本語テーブル",
    "\u202e",
    "a\nb",
    "\x01",
    "--",
    "/*",
    "*/",
    "a on b",
    "new",
    "old",
    "id",
    "t",
    "(x)",
    "tg_op",
    "v_id",
    "1",
    "{}",
    "a,b",
    "public.t",
    "{table}",
    "{deleted_at}",
    "{table_literal}",
    "{same_key}",
    "a\r; DROP TABLE public.canary; --",
    "a\n; DROP TABLE public.canary; --",
]
NAME = st.one_of(
    st.sampled_from(EVIL), st.text(LETTERS, min_size=1, max_size=63).filter(lambda s: len(s.encode()) <= 63)
)

SNAPSHOT = """
SELECT 'class', c.relnamespace::regnamespace::text, c.relname, c.relkind::text FROM pg_class AS c WHERE
    c.relnamespace >= 16384 AND c.relkind <> 't'
    AND c.relnamespace <> 'lifecycle'::regnamespace
UNION ALL
SELECT 'function', p.pronamespace::regnamespace::text, p.proname, p.prosrc FROM pg_proc AS p WHERE
    p.pronamespace >= 16384
    AND p.pronamespace <> 'lifecycle'::regnamespace
UNION ALL
SELECT 'public', c.relname, '', '' FROM pg_class AS c WHERE c.relnamespace = 'public'::regnamespace
UNION ALL
SELECT 'column', a.attrelid::regclass::text, a.attname, '' FROM pg_attribute AS a JOIN pg_class AS c ON c.oid =
    a.attrelid
    WHERE c.relnamespace >= 16384 AND c.relnamespace <> 'lifecycle'::regnamespace AND a.attnum > 0 AND NOT
        a.attisdropped AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'trigger', t.tgrelid::regclass::text, t.tgname, '' FROM pg_trigger AS t WHERE NOT t.tgisinternal
UNION ALL
SELECT 'schema', n.nspname, '', '' FROM pg_namespace AS n WHERE n.oid >= 16384
ORDER BY 1, 2, 3, 4
"""


def ident(connection, *names):
    return sql.Identifier(*names).as_string(connection)


def every_way_to_delete(connection, name, table, view, key, mark):  # noqa: PLR0917
    """Rows 1 and 2 live before and after; the table has interception, live keys and a live foreign key to itself."""

    def answer(call, field):
        return rows(connection, f"SELECT lifecycle.{call} ->> '{field}'", [name])[0][0]

    connection.execute(f"INSERT INTO {table} VALUES (3, 'y', 1); DELETE FROM {table} WHERE {key} = 1")
    assert rows(connection, f"SELECT {key} FROM {view}") == [(2,)], "intercepted, and followed to 3"
    assert answer("restore(%s::regclass, '1')", "status") == "restored"
    where = "soft_delete_where(%s::regclass, 'note = params ->> $$n$$', '{\"n\": \"y\"}')"
    assert answer(where, "count") == "1"
    assert answer("restore_many(%s::regclass, ARRAY[3])", "count") == "1"
    assert answer("soft_delete_many(%s::regclass, ARRAY[3])", "count") == "1"
    assert answer("preview_purge_deleted(%s::regclass, '0')", "deleted") == "1"
    assert answer("restore(%s::regclass, '3')", "status") == "restored"
    connection.execute(f"UPDATE {table} SET {mark} = '2001-01-01' WHERE {key} = 3")
    assert answer("purge_deleted_step(%s::regclass)", "purged") == "1"
    connection.execute(f"INSERT INTO {table} VALUES (4)")
    rows(connection, "SELECT * FROM lifecycle.erase(%s::regclass, '4', dry_run => false)", [name])
    found = rows(connection, "SELECT * FROM lifecycle.check_soft_delete(%s::regclass)", [name])
    assert [f for f in found if f[0] == "error"] == []


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=NAME.filter(lambda n: not n.startswith("pg_")), table=NAME, column=NAME, other=NAME, view=NAME)
@example(schema="x" * 63, table="y" * 63, column="z" * 63, other="z" * 62 + "a", view="v" * 63)
@example(schema=EVIL[0], table=EVIL[1], column=EVIL[2], other=EVIL[0], view=EVIL[1])
@example(schema=EVIL[-1], table=EVIL[-1], column=EVIL[-2], other=EVIL[-1], view=EVIL[-2])
@example(schema="{deleted_at}", table="{deleted_at}", column="{table_literal}", other="{same_key}", view="{table}")
@example(schema="a\\", table="\\", column="\\c", other="\\'", view="v\\")
@example(schema="select", table="table", column="user", other="column", view="order")
@example(schema="s", table="id", column="id", other="deleted_at", view="active_id")
@example(schema="public.t", table="public.t", column="public.t", other="t", view="t.public")
def test_changes_of_hostile_names(  # noqa: PLR0917
    hostile, schema, table, column, other, view
):
    connection = hostile
    if column == other or table == view or {"id", "deletion_id"} & {column, other} or {column, other} & {"at"}:
        column, other, view = column + "1" if len(column.encode()) < 62 else "c", "o", view if view != table else "v"
    q, part = ident(connection, schema, table), ident(connection, schema, "p " + table[:15])
    c = ident(connection, column)
    partitioned = rows(connection, "SELECT format('%%I.%%I', %s::text, %s::text)", [schema, "p " + table[:15]])[0][0]
    name = rows(connection, "SELECT format('%%I.%%I', %s::text, %s::text)", [schema, table])[0][0]
    listed = rows(connection, "SELECT format('%%I.%%I', %s::text, %s::text)", [schema, "l " + table[:15]])[0][0]
    try:
        connection.execute(f"CREATE SCHEMA {ident(connection, schema)}")
        unique, upward = "u" + view[:15], "f" + other[:15]
        connection.execute(
            f"CREATE TABLE {q} ({c} bigint PRIMARY KEY, note text, upward bigint, "
            f"CONSTRAINT {ident(connection, unique)} UNIQUE (note), "
            f"CONSTRAINT {ident(connection, upward)} FOREIGN KEY (upward) REFERENCES {q} ON DELETE CASCADE)"
        )
        connection.execute(f"CREATE TABLE {part} ({c} date NOT NULL) PARTITION BY RANGE ({c})")
        connection.execute(
            f"CREATE TABLE {ident(connection, schema, 'l ' + table[:15])} ({c} text) PARTITION BY LIST ({c})"
        )
        connection.execute(f"INSERT INTO {q} VALUES (1)")
        before = rows(connection, SNAPSHOT)
        calls = [
            (
                "apply_migration(%s, ARRAY[%s], ARRAY[%s])",
                ["m" + table, f"ALTER TABLE {q} ADD COLUMN extra int", f"ALTER TABLE {q} DROP COLUMN extra"],
            ),
            ("create_rollback_function(%s, %s)", ["m" + table, schema]),
            ("expose(%s, ARRAY['setting', 'rollback_migration'])", [schema]),
            (
                "enable_soft_delete(%s::regclass, %s, %s, %s, %s, %s, live_keys => ARRAY[%s], live_keys_as => "
                "'column', live_foreign_keys => ARRAY[%s], intercept => true, index_mode => 'live')",
                [name, other, view, "s" + view[:15], "r" + view[:15], other, unique, upward],
            ),
            ("sync_active_view(%s::regclass)", [name]),
            ("start_capture(%s::regclass, %s)", [name, column]),
            ("start_capture(%s::regclass, %s, ARRAY[%s]::name[], 'row')", [name, other, column]),
            (
                "create_incremental_view(%s, %s, ARRAY[%s]::name[], at_once => true)",
                [
                    f"{ident(connection, schema)}.{ident(connection, 'i' + view[:15])}",
                    f"SELECT {c}, count(*) AS {ident(connection, other)} FROM {q} GROUP BY {c}",
                    column,
                ],
            ),
            (
                "create_materialized_view(%s, %s, ARRAY[%s]::name[])",
                [
                    f"{ident(connection, schema)}.{ident(connection, 'j' + view[:15])}",
                    f"SELECT {c}, count(*) AS {ident(connection, other)} FROM {q} GROUP BY {c}",
                    column,
                ],
            ),
            (
                "replace_materialized_view(%s, %s)",
                [
                    f"{ident(connection, schema)}.{ident(connection, 'j' + view[:15])}",
                    f"SELECT {c}, 5 AS {ident(connection, other)}, 6 AS more FROM {q}",
                ],
            ),
            (
                "manage_materialized_view(%s::regclass, '1 hour', notify_channel => %s)",
                [f"{ident(connection, schema)}.{ident(connection, 'i' + view[:15])}", other],
            ),
            (
                "create_partition(%s::regclass, '2024-01-01', '2024-01-05', %s)",
                [partitioned, view + "2" if len(view.encode()) < 62 else "part"],
            ),
            ("create_monthly_partition(%s::regclass, 2024, 2)", [partitioned]),
            ("ensure_future_partitions(2, %s::regclass)", [partitioned]),
            ("manage_partitions(%s::regclass, '1 month', premake => 1, retention => '3 partitions')", [partitioned]),
            ("manage_partitions(%s::regclass, levels => lifecycle.by_list(%s))", [listed, column]),
            ("create_list_partition(%s::regclass, ARRAY[%s, NULL])", [listed, view]),
            ("precreate_partitions(%s::regclass, jsonb_build_array(%s::text))", [listed, table + "'\""]),
            ("follow_dimension(%s::regclass, %s::regclass, '{note}', %s)", [listed, name, f"d.{c} > 0"]),
            ("cleanup_empty_partitions(target => %s::regclass)", [partitioned]),
        ]
        for call, params in calls:
            shown = rows(connection, f"SELECT statement FROM lifecycle.{call[:-1]}, dry_run => true)", params)
            ran = rows(connection, f"SELECT statement, status FROM lifecycle.{call}", params)
            assert [r[0] for r in ran] == [r[0] for r in shown]
            assert {r[1] for r in ran} <= {"done", "skipped", "pending"}
        connection.execute(f"INSERT INTO {q} VALUES (2); UPDATE {q} SET note = 'x' WHERE {c} = 1")
        rows(connection, "SELECT lifecycle.soft_delete(%s::regclass, '1')", [name])
        assert rows(connection, f"SELECT {c} FROM {ident(connection, schema, view)}") == [(2,)]
        rows(connection, "SELECT lifecycle.restore(%s::regclass, '1')", [name])
        rows(connection, f"DELETE FROM {ident(connection, schema, view)} WHERE {c} = 2")
        rows(connection, "SELECT lifecycle.restore(%s::regclass, '2')", [name])
        every_way_to_delete(connection, name, q, ident(connection, schema, view), c, ident(connection, other))
        for rpc, status in (("s", "deleted"), ("r", "restored")):
            function = ident(connection, schema, rpc + view[:15])
            assert rows(connection, f"SELECT {function}(2) ->> 'status'") == [(status,)]
        found = rows(connection, "SELECT * FROM lifecycle.verify_migrations() WHERE severity <> 'ok'")
        assert found == []
        rows(
            connection,
            "SELECT * FROM lifecycle.rollback_all_migrations('I_UNDERSTAND_THIS_IS_DESTRUCTIVE', dry_run => false)",
        )
        assert rows(connection, SNAPSHOT) == before
        assert rows(connection, f"SELECT {c} FROM {q} ORDER BY 1") == [(1,), (2,)]
    finally:
        connection.rollback()


@pytest.fixture
def hostile(database):
    database.execute("CREATE TABLE public.canary (id int)")
    connection = database.connect(autocommit=False)
    connection.execute("SET plan_cache_mode = auto")
    connection.commit()
    yield connection
    connection.rollback()
    assert database.value("SELECT to_regclass('public.canary')::text") == "canary"


def test_roles_with_hostile_names(database, server):
    before = database.dump(schema_only=True)
    for name in (f"{evil[:50]}_r" for evil in EVIL[:16]):
        role = sql.Identifier(name)
        server.execute(sql.SQL("CREATE ROLE {}").format(role))
        try:
            for function in ("grant_lifecycle_admin", "grant_lifecycle_use"):
                rows(database, f"SELECT * FROM lifecycle.{function}(%s)", [name])
            rows(database, "SELECT * FROM lifecycle.expose('public', ARRAY['setting'], ARRAY[%s]::name[])", [name])
            rows(database, "SELECT * FROM lifecycle.prepare_uninstall(dry_run => false)")
        finally:
            database.execute(sql.SQL("DROP OWNED BY {}").format(role))
            server.execute(sql.SQL("DROP ROLE {}").format(role))
    assert database.dump(schema_only=True) == before
