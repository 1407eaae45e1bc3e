"""For every change function: a dry run changes nothing, what it shows is what runs, a rollback brings the schema back.

A module joins by adding rows to CHANGES: an id, the SQL that sets the scene, and the call without its dry_run argument.
"""

from __future__ import annotations

import pytest

from harness.calls import Step, rows

TABLE = (
    "CREATE TABLE public.t (id bigint PRIMARY KEY, name text, deleted_at timestamp); INSERT INTO "
    "public.t VALUES (1, 'x', NULL);"
)
KEYED = TABLE + (
    "CREATE TABLE public.k (id int PRIMARY KEY, name text, a int, b int, t_id bigint REFERENCES public.t, "
    "CONSTRAINT k_name_key UNIQUE (name) INCLUDE (a) WITH (fillfactor = 70), "
    "CONSTRAINT k_a_b_key UNIQUE (a, b) DEFERRABLE INITIALLY DEFERRED, "
    "CONSTRAINT k_b_excl EXCLUDE (b WITH =) WHERE (a > 1));"
    "CREATE UNIQUE INDEX k_lower ON public.k (lower(name) DESC) NULLS NOT DISTINCT WHERE b > 0;"
    "CREATE INDEX k_b ON public.k (b); CREATE INDEX k_t ON public.k (t_id);"
    "COMMENT ON CONSTRAINT k_name_key ON public.k IS 'a name'; COMMENT ON INDEX public.k_lower IS 'an index';"
    "INSERT INTO public.k VALUES (1, 'x', 1, 1, 1);"
)
PARENT = (
    "CREATE TABLE public.p (at date NOT NULL, id bigint, note text DEFAULT 'x', PRIMARY KEY (at, id)) "
    "PARTITION BY RANGE (at);"
    "CREATE TABLE public.p_2024_01 PARTITION OF public.p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');"
    "INSERT INTO public.p VALUES ('2024-01-05', 1); CREATE INDEX ON public.p (note); GRANT SELECT ON "
    "public.p TO {alice};"
    "COMMENT ON TABLE public.p IS 'a parent';"
)
APPLIED = "SELECT lifecycle.apply_migration('m', ARRAY['CREATE TABLE public.x ()'], ARRAY['DROP TABLE public.x']);"
CAPTURED = TABLE + "SELECT lifecycle.start_capture('public.t', 'reader');"

LISTED = "CREATE TABLE public.l (k text) PARTITION BY LIST (k);"
SALES = (
    "CREATE TABLE public.sale (id int PRIMARY KEY, shop int, at date, n int); INSERT INTO "
    "public.sale VALUES (1, 1, NULL, 1), (2, NULL, NULL, 1);"
)

CHANGES = [
    (
        "apply",
        "",
        (
            "lifecycle.apply_migration('m', ARRAY['CREATE TABLE public.x ()', 'SELECT 1'], ARRAY['DROP TABLE "
            "public.x', NULL]"
        ),
    ),
    ("rollback function", APPLIED, "lifecycle.create_rollback_function('m'"),
    (
        "expose",
        "CREATE SCHEMA api;",
        "lifecycle.expose('api', ARRAY['verify_migrations', 'rollback_migration', 'run_pending'], ARRAY['{alice}']",
    ),
    (
        "expose as owner",
        "",
        (
            "lifecycle.expose('public', ARRAY['verify_migrations', 'ensure_future_partitions'], "
            "ARRAY['{alice}'], as_owner => true"
        ),
    ),
    ("grant admin", "", "lifecycle.grant_lifecycle_admin('{alice}'"),
    (
        "grant admin, data schema stands",
        TABLE + "SELECT lifecycle.start_capture('public.t', 'reader');",
        "lifecycle.grant_lifecycle_admin('{alice}'",
    ),
    ("grant use", "", "lifecycle.grant_lifecycle_use('{alice}'"),
    ("capture", TABLE, "lifecycle.start_capture('public.t', 'reader'"),
    (
        "capture by row",
        TABLE,
        "lifecycle.start_capture('public.t', 'reader', trigger_level => 'row', enable_always => false",
    ),
    ("second capture", CAPTURED, "lifecycle.start_capture('public.t', 'other'"),
    ("soft delete", TABLE, "lifecycle.enable_soft_delete('public.t'"),
    (
        "soft delete, new column",
        TABLE,
        "lifecycle.enable_soft_delete('public.t', column_name => 'gone at', view_name => 'Living'",
    ),
    (
        "soft delete, callable",
        TABLE,
        (
            "lifecycle.enable_soft_delete('public.t', rpc_name => 'remove_t', restore_rpc_name => "
            "'bring_back_t', rpc_argument => 't_id'"
        ),
    ),
    (
        "soft delete, foreign keys not followed",
        TABLE,
        "lifecycle.enable_soft_delete('public.t', follow_foreign_keys => false",
    ),
    (
        "soft delete, live keys",
        KEYED,
        "lifecycle.enable_soft_delete('public.k', live_keys => '{{*}}', index_mode => 'live'",
    ),
    (
        "soft delete, live keys by column",
        KEYED,
        "lifecycle.enable_soft_delete('public.k', live_keys => '{{k_name_key,k_a_b_key}}', live_keys_as => 'column'",
    ),
    (
        "soft delete, all options",
        KEYED + "SELECT lifecycle.enable_soft_delete('public.t');",
        (
            "lifecycle.enable_soft_delete('public.k', live_keys => '{{k_name_key}}', live_foreign_keys => '{{*}}', "
            "intercept => true, index_mode => 'none'"
        ),
    ),
    (
        "month by year and month",
        PARENT,
        "lifecycle.create_monthly_partition('public.p', 2024, 2",
    ),
    (
        "month by date",
        PARENT,
        "lifecycle.create_monthly_partition('public.p', date '2024-03-01'",
    ),
    (
        "partition",
        PARENT,
        "lifecycle.create_partition('public.p', '2024-02-01', '2024-02-15'",
    ),
    (
        "named partition",
        PARENT,
        "lifecycle.create_partition('public.p', '2024-02-01', '2024-02-15', 'Half a month'",
    ),
    ("future partitions", PARENT, "lifecycle.ensure_future_partitions(3, 'public.p'"),
    (
        "list partition",
        LISTED,
        "lifecycle.create_list_partition('public.l', '{a,b}'",
    ),
    (
        "hash partitions",
        "CREATE TABLE public.h (k text) PARTITION BY HASH (k);",
        "lifecycle.create_hash_partitions('public.h', 3",
    ),
    (
        "conversion",
        TABLE + "ALTER TABLE public.t ALTER name SET NOT NULL;",
        "lifecycle.start_conversion('public.t', lifecycle.by_list('name') || lifecycle.by_range('id', '10'), 'extend'",
    ),
    (
        "partitioned table",
        TABLE,
        "lifecycle.create_partitioned_table('public.t', lifecycle.by_list('name') || lifecycle.by_hash('id', 2)",
    ),
    (
        "partitioned table by time",
        TABLE,
        "lifecycle.create_partitioned_table('public.t', lifecycle.by_range('deleted_at', '1 day'), 'by day'",
    ),
    (
        "attach",
        PARENT + "CREATE TABLE public.loose (LIKE public.p INCLUDING ALL);",
        "lifecycle.attach_partition('public.p', 'public.loose', '2025-01-01', '2026-01-01'",
    ),
    (
        "subtree",
        LISTED + "SELECT lifecycle.manage_partitions('public.l', levels => lifecycle.by_list('k'));",
        "lifecycle.precreate_partitions('public.l', '[\"x\"]'",
    ),
    (
        "dimension",
        LISTED + "SELECT lifecycle.manage_partitions('public.l', levels => lifecycle.by_list('k'));"
        "CREATE TABLE public.kind (k text PRIMARY KEY, active boolean); INSERT INTO public.kind VALUES ('a', true);",
        "lifecycle.follow_dimension('public.l', 'public.kind', '{k}', 'active', at_once => true",
    ),
    (
        "empty partitions",
        PARENT + "CREATE TABLE public.p_2024_02 PARTITION OF public.p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01')"
        " WITH (fillfactor = 70); GRANT SELECT ON public.p_2024_02 TO {alice};"
        "COMMENT ON TABLE public.p_2024_02 IS 'a parent'; SELECT lifecycle.manage_partitions('public.p');",
        "lifecycle.cleanup_empty_partitions(30",
    ),
    (
        "managed ahead",
        PARENT + "SELECT lifecycle.manage_partitions('public.p');",
        "lifecycle.ensure_future_partitions(2, 'public.p'",
    ),
    ("guarded default", PARENT, "lifecycle.guard_default_partition('public.p', '2020-01-01', '2030-01-01'"),
    (
        "guard of a default",
        PARENT
        + "CREATE TABLE public.rest PARTITION OF public.p DEFAULT; INSERT INTO public.p VALUES ('2031-01-01', 1);",
        "lifecycle.guard_default_partition('public.p', '2020-01-01', '2030-01-01'",
    ),
    (
        "interval",
        PARENT + "SELECT lifecycle.manage_partitions('public.p');",
        "lifecycle.change_partition_interval('public.p', '1 week'",
    ),
    (
        "first partition",
        "CREATE TABLE public.p (at timestamptz NOT NULL) PARTITION BY RANGE (at);",
        "lifecycle.create_monthly_partition('public.p', 2024, 2",
    ),
    (
        "incremental view",
        SALES,
        (
            "lifecycle.create_incremental_view('Total', 'SELECT shop, count(*) AS n FROM public.sale "
            "GROUP BY shop', '{shop}'"
        ),
    ),
    (
        "incremental view at once",
        SALES + CAPTURED,
        "lifecycle.create_incremental_view('public.per_day', 'SELECT shop, at, sum(n) AS n FROM "
        "public.sale GROUP BY shop, at', "
        "'{shop,at}', at_once => true",
    ),
    (
        "materialized view",
        SALES,
        "lifecycle.create_materialized_view('Total', 'SELECT shop, sum(n) AS n FROM public.sale GROUP BY shop', "
        "'{shop}', '{n DESC,(shop) WHERE n > 0,USING hash (n)}'",
    ),
    (
        "materialized view replaced",
        SALES
        + "CREATE MATERIALIZED VIEW public.m WITH (fillfactor = 70) AS SELECT shop, sum(n) AS n FROM public.sale GROUP "
        "BY shop; CREATE UNIQUE INDEX m_key ON public.m (shop); COMMENT ON COLUMN public.m.n IS 'a sum'; ALTER "
        "MATERIALIZED VIEW public.m ALTER shop SET STATISTICS 7; GRANT SELECT (n) ON public.m TO {alice}; "
        "CREATE VIEW public.few AS SELECT shop FROM public.m; GRANT SELECT ON public.few TO {alice};",
        "lifecycle.replace_materialized_view('public.m', 'SELECT shop, count(*) AS c FROM public.sale GROUP BY shop'",
    ),
]

# Change functions without a row, and why.
ELSEWHERE = {
    "sync_active_view": "brings what enable_soft_delete made up to date; tests/soft_delete/test_upkeep.py",
    "drop_capture": "is the rollback of start_capture",
    "archive_old_partitions": "the steps of detach_partition, of old partitions; tests/partition/test_retention.py",
    "split_partition": "cannot be told a second time, its target is no partition then; tests/partition/test_rewrite.py",
    "merge_partitions": "cannot be told a second time, as split_partition; tests/partition/test_rewrite.py",
    "finish_conversion": "has no way back; tests/conversion/test_straight.py",
    "detach_partition": "cannot be told a second time, it is no partition then; tests/partition/test_retention.py",
    "drop_archived_partitions": "has no way back; tests/partition/test_retention.py",
    "drop_old_partitions": "has no way back; tests/partition/test_retention.py",
    "manage_materialized_view": "changes rows of the policy table only; tests/matview/test_policies.py",
    "manage_partitions": "changes rows of the policy table only; tests/partition/test_managed.py",
    "sync_capture": "repairs what somebody else has changed; tests/capture",
}


@pytest.mark.parametrize(("setup", "change"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_plan_equality(database, roles, setup, change):
    alice = roles("alice")
    setup, change = setup.replace("{alice}", alice), change.replace("{alice}", alice)
    if setup:
        database.execute(setup)
    before, schema_before = (
        database.dump(sort_rows=True),
        database.dump(schema_only=True),
    )

    shown = [Step(*row) for row in rows(database, f"SELECT * FROM {change}, dry_run => true)")]
    assert {s.status for s in shown} <= {"planned", "skipped"}
    assert "planned" in {s.status for s in shown}
    assert database.dump(sort_rows=True) == before

    query = f"SELECT * FROM {change}, dry_run => false, expected_plan => %s)"
    done = [Step(*row) for row in rows(database, query, [shown[0].plan_hash])]
    assert [s[1:6] for s in done] == [s[1:6] for s in shown]
    assert {s.status for s in done} <= {"done", "skipped", "pending"}
    if any(s.status == "pending" for s in done):
        database.execute("CALL lifecycle.run_pending()")
    assert database.dump(schema_only=True) != schema_before
    assert {row[0] for row in rows(database, "SELECT severity FROM lifecycle.verify_migrations()")} == {"ok"}

    again = [Step(*row) for row in rows(database, f"SELECT * FROM {change}, dry_run => false)")]
    assert {s.status for s in again} <= {"skipped"}, "run twice is run once"

    (migration,) = {s.migration_id for s in done if s.migration_id is not None}
    planned = [Step(*row) for row in rows(database, "SELECT * FROM lifecycle.rollback_migration(%s)", [migration])]
    undone = [
        Step(*row)
        for row in rows(
            database,
            "SELECT * FROM lifecycle.rollback_migration(%s, dry_run => false)",
            [migration],
        )
    ]
    assert [s[1:6] for s in undone] == [s[1:6] for s in planned]
    assert database.dump(schema_only=True) == schema_before


def test_every_change_function_has_a_row(database):
    found = database.execute(
        "SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'lifecycle'::regnamespace AND "
        "'expected_plan' = ANY (proargnames) "
        r"AND proname !~ '^(_|rollback_|prepare_)'"
    )
    covered = {change.removeprefix("lifecycle.").partition("(")[0] for _, _, change in CHANGES}
    assert {name for (name,) in found} - covered - ELSEWHERE.keys() == set()
    assert (covered | ELSEWHERE.keys()) - {name for (name,) in found} == set(), "a row for what is no longer there"


def test_every_change_function_ends_alike(database):
    """dry_run, expected_plan, search_path: the last three parameters of every change function."""
    found = database.execute(
        "SELECT p.oid::regprocedure::text, p.proargnames[p.pronargs - 2:p.pronargs] FROM pg_proc AS p "
        "WHERE p.pronamespace = 'lifecycle'::regnamespace AND 'expected_plan' = ANY (p.proargnames) AND "
        "p.proname !~ '^_'"
    )
    assert {name: ends for name, ends in found if ends != ["dry_run", "expected_plan", "search_path"]} == {}


def test_dry_run_by_default_where_something_is_taken_away(database):
    found = database.execute(
        "SELECT p.oid::regprocedure::text, pg_get_function_arguments(p.oid) FROM pg_proc AS p "
        "WHERE p.pronamespace = 'lifecycle'::regnamespace AND 'dry_run' = ANY (p.proargnames) AND p.proname !~ '^_'"
    )
    taking = (
        "rollback_",
        "drop_",
        "purge_",
        "erase",
        "finish_",
        "archive_",
        "detach_",
        "prepare_",
    )
    wrong = {
        name
        for name, arguments in found
        if ("dry_run boolean DEFAULT true" in arguments) != name.removeprefix("lifecycle.").startswith(taking)
    }
    assert wrong == set()
