"""Every public function can be called with JSON arguments, the way PostgREST calls."""

from __future__ import annotations

import json

import psycopg
import pytest

from harness.calls import rows

SETUP = """
CREATE TABLE public.t (id bigint PRIMARY KEY, name text, deleted_at timestamptz);
INSERT INTO public.t VALUES (1, 'x'), (2, 'y'), (3, 'z');
CREATE TABLE public.u (id bigint PRIMARY KEY);
CREATE TABLE public.p (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public.l (k text) PARTITION BY LIST (k);
CREATE TABLE public.l2 (a text, b text, day date) PARTITION BY LIST (a);
SELECT lifecycle.manage_partitions('public.l2', levels => lifecycle.by_list('a') || lifecycle.by_list('b')
    || lifecycle.by_range('day', '1 month'));
SELECT lifecycle.manage_partitions('public.l', levels => lifecycle.by_list('k'));
CREATE TABLE public.l_day (at date) PARTITION BY RANGE (at);
SELECT lifecycle.manage_partitions('public.l_day', '1 month');
CREATE TABLE public.loose (at date NOT NULL);
CREATE TABLE public.q (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public.q_1 PARTITION OF public.q FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
CREATE TABLE public.q_2 PARTITION OF public.q FOR VALUES FROM ('2020-02-01') TO ('2020-03-01');
CREATE TABLE public.q_rest PARTITION OF public.q DEFAULT;
CREATE TABLE public.h (k text) PARTITION BY HASH (k);
CREATE FUNCTION public.export(regclass) RETURNS void LANGUAGE sql AS '';
CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS one;
SELECT lifecycle.create_materialized_view('public.mm', 'SELECT id FROM public.u', '{id}');
SELECT lifecycle.manage_materialized_view('public.m', '1 hour');
SELECT lifecycle.enable_soft_delete('public.t');
CREATE TABLE public.c1 (id bigint PRIMARY KEY, at date);
CREATE TABLE public.c2 (id bigint PRIMARY KEY);
CREATE TABLE public.c4 (id bigint PRIMARY KEY);
SELECT lifecycle.start_conversion('public.c2', lifecycle.by_range('id', '10'));
SELECT lifecycle.convert_step('public.c2', max_seconds => 60);
SELECT lifecycle.start_conversion('public.c4', lifecycle.by_range('id', '10'));
SELECT lifecycle.soft_delete('public.t', '3');
SELECT lifecycle.start_capture('public.u', 'reader');
SELECT lifecycle.create_incremental_view('public.v', 'SELECT id, count(*) FROM public.u GROUP BY id', '{id}');
SELECT lifecycle.apply_migration('m', ARRAY['SELECT 1', 'CREATE INDEX CONCURRENTLY i ON public.u (id)'],
    ARRAY[NULL, 'DROP INDEX public.i']);
"""

T = {"target": "public.t"}
P = {"parent": "public.p"}

# The JSON object of each call; a list where there are overloads, or several ways worth trying.
CALLS: dict[str, list[dict[str, object]]] = {
    "apply_migration": [
        {
            "migration_name": "n",
            "up": ["CREATE TABLE public.n ()"],
            "down": ["DROP TABLE public.n"],
            "dry_run": True,
        },
        {
            "migration_name": "n",
            "up": ["SELECT 1"],
            "down": [None],
            "search_path": "public",
        },
    ],
    "analyze_all_partitions": [{}, {"target": "public.p", "all_of_them": True}],
    "archive_old_partitions": [{"months": 12}],
    "attach_partition": [
        {
            "parent": "public.p",
            "detached": "public.loose",
            "lower_bound": "2020-01-01",
            "upper_bound": "2021-01-01",
        }
    ],
    "begin_migration": [{"migration_name": "g"}],
    "capture_status": [{}, {"target": "public.u"}],
    "check_mv_freshness": [{}, {"max_age": "2 days"}],
    "check_soft_delete": [{}, T],
    "check_partition_sizes": [{}, {"target": "public.p", "alert_bytes": 5}],
    "cleanup_empty_partitions": [{}, {"days": 30, "dry_run": True}],
    "cleanup_refresh_history": [{}, {"keep": "7 days"}],
    "confirm_step": [{"migration_id": "{migration}", "step": 2}],
    "create_incremental_view": [
        {
            "view_name": "public.w",
            "query": "SELECT id, count(*) FROM public.u GROUP BY id",
            "key_columns": ["id"],
            "sources": {"public.u": ["id"]},
            "tolerance": "1 hour",
            "dry_run": True,
        }
    ],
    "create_materialized_view": [
        {
            "view_name": "public.mw",
            "query": "SELECT id FROM public.u",
            "unique_key": ["id"],
            "indexes": ["id DESC"],
            "with_data": True,
        }
    ],
    "create_monthly_partition": [
        {**P, "year": 2024, "month": 2},
        {**P, "month_start": "2024-03-01", "dry_run": True},
    ],
    "convert_step": [{"target": "public.c4", "batch_size": 10, "max_seconds": 1}],
    "create_partition": [
        {
            **P,
            "lower_bound": "2024-01-01",
            "upper_bound": "2024-01-02",
            "partition_name": "p1",
        }
    ],
    "by_hash": [{"column_name": "k", "modulus": 4}],
    "by_list": [{"column_name": "k"}],
    "by_range": [{"column_name": "at", "every": "1 month"}],
    "create_hash_partitions": [{"parent": "public.h", "modulus": 2}],
    "create_list_partition": [{"parent": "public.l", "list_values": ["a", None]}],
    "create_partitioned_table": [
        {
            "source": "public.u",
            "levels": [{"method": "range", "column": "id", "every": "100"}],
            "premake": 1,
        }
    ],
    "create_rollback_function": [{"migration_name": "m", "into_schema": "public"}],
    "change_partition_interval": [{"target": "public.l_day", "every": "1 day", "dry_run": True}],
    "guard_default_partition": [{"target": "public.q", "lower_bound": "2020-01-01", "upper_bound": "2030-01-01"}],
    "drain_default_partition_step": [{"target": "public.q", "max_creations": 3}],
    "merge_partitions": [{"partitions": ["public.q_1", "public.q_2"], "dry_run": True}],
    "preview_drain_default_partition": [{"target": "public.q"}],
    "preview_rewrite_partitions": [{}, {"target": "public.q"}],
    "rewrite_partitions_step": [{"target": "public.q"}],
    "split_partition": [{"target": "public.q_1", "boundaries": ["2020-01-10"], "dry_run": True}],
    "detach_partition": [{"target": "public.q_1"}],
    "drop_archived_partitions": [{"older_than": "7 days"}, {"before_drop": "public.export(regclass)"}],
    "drop_old_partitions": [{"months": 12}, {"before_drop": "public.export(regclass)"}],
    "drop_capture": [{"target": "public.u", "consumer": "reader"}],
    "erase": [{**T, "key": "3"}, {**T, "key_json": {"id": 3}, "dry_run": False}],
    "enable_soft_delete": [
        {"target": "public.u", "column_name": "gone", "follow_foreign_keys": False},
        {
            "target": "public.u",
            "column_name": "gone",
            "live_keys": ["*"],
            "live_foreign_keys": ["*"],
            "intercept": True,
        },
    ],
    "end_migration": [{}],
    "ensure_future_partitions": [{"months": 1, "target": "public.p"}],
    "expose": [
        {
            "into_schema": "public",
            "names": ["setting"],
            "grant_to": ["{role}"],
            "as_owner": True,
        }
    ],
    "follow_dimension": [
        {"target": "public.l", "dimension": "public.t", "path_columns": ["name"], "predicate": "id > 1"}
    ],
    "grant_lifecycle_admin": [{"role_name": "{role}"}],
    "grant_lifecycle_use": [{"role_name": "{role}", "dry_run": True}],
    "manage_materialized_view": [
        {"target": "public.m", "every": "5 minutes"},
        {"target": "public.v", "every": "10 s", "min_changes": 5, "max_age": "1 day", "notify_channel": "c"},
    ],
    "manage_partitions": [
        {"parent": "public.p", "every": "1 month", "premake": 2},
        {
            "parent": "public.h",
            "levels": [{"method": "hash", "column": "k", "modulus": 2}],
        },
    ],
    "find_unfiltered_reads": [T],
    "finish_conversion": [{"target": "public.c2"}],
    "monitor_migration": [{}],
    "post_migration_validation": [{"target": "public.c2", "range_rows": 10}],
    "preview_convert_data": [{"target": "public.c4"}],
    "preview_swap_tables": [{"target": "public.c4"}],
    "preview_safe_migrate_table": [
        {"target": "public.c4", "levels": [{"method": "hash", "column": "id", "modulus": 2}]}
    ],
    "rollback_conversion": [
        {"target": "public.c2"},
        {"target": "public.c4", "dry_run": False},
    ],
    "swap_tables_step": [{"target": "public.c2"}],
    "pending_steps": [{}, {"migration_id": 1}],
    "precreate_partitions": [
        {"root": "public.l", "path": ["b"]},
        {"root": "public.l2", "program": "a", "site": "b", "every": "1 week"},
    ],
    "preview_purge_deleted": [T, {**T, "older_than": "90 days"}],
    "purge_deleted_step": [{**T, "older_than": "90 days", "batch_size": 10}],
    "pre_migration_check": [{**T, "levels": [{"method": "range", "column": "id", "every": "100"}]}],
    "prepare_uninstall": [{}, {"options": {"deleted_rows": "keep"}, "dry_run": True}],
    "refresh_all_materialized_views": [{}, {"schemas": ["public"], "only_changed": True, "only_due": True}],
    "refresh_load": [{}, {"period": "1 hour"}],
    "rebuild_incremental_view": [{"target": "public.v"}],
    "refresh_incremental_view": [{"target": "public.v", "max_rows": 10}],
    "preview_refresh_materialized_views": [{}, {"schemas": ["public"], "concurrent": False, "only_due": True}],
    "refresh_materialized_views_step": [
        {"since": "2026-01-01"},
        {"since": "2026-01-01", "max_seconds": 1, "schemas": ["public"], "only_changed": True, "only_due": True},
    ],
    "refresh_materialized_view": [{"target": "public.m"}, {"target": "public.v", "cascade": "both"}],
    "replace_materialized_view": [{"target": "public.m", "query": "SELECT 1 AS one, 2 AS two", "dry_run": True}],
    "restore": [
        {"deletion_id": "{deletion}"},
        {**T, "key": "3"},
        {**T, "key_json": {"id": 3}},
    ],
    "restore_many": [{**T, "keys_json": [3]}],
    "rollback_all_migrations": [
        {},
        {"confirmation": "x", "options": {"deleted_rows": "restore"}},
    ],
    "rollback_incremental_view": [{"target": "public.v"}],
    "rollback_materialized_view": [{"target": "public.mm", "cascade": True}],
    "rollback_migration": [
        {"migration_id": "{migration}", "options": {}},
        {"migration_name": "m", "cascade": True},
    ],
    "rollback_partition_policy": [{"target": "public.l"}],
    "rollback_view_policy": [{"target": "public.m"}],
    "rollback_soft_delete": [{**T, "deleted_rows": "restore"}],
    "rollback_to": [{"migration_name": "m"}],
    "run_pending_stage": [{}, {"migration_id": 1}],
    "should_refresh_views": [{}, {"threshold": 100}],
    "set_setting": [{"setting_name": "lock_timeout", "setting_value": "300"}],
    "setting": [{"setting_name": "lock_timeout"}],
    "soft_delete": [
        {**T, "key": "1", "reason": "r"},
        {**T, "key_json": {"id": 2}, "strict": True},
    ],
    "soft_delete_many": [{**T, "keys_json": [1, 2]}],
    "soft_delete_where": [
        {
            **T,
            "predicate": "id = (params ->> 'id')::int",
            "params": {"id": 1},
            "reason": "r",
        }
    ],
    "sync_active_view": [T],
    "soft_delete_stats": [{}, T],
    "start_conversion": [
        {
            "target": "public.c1",
            "levels": [{"method": "range", "column": "at", "every": "1 month"}],
            "key_mode": "extend",
        }
    ],
    "start_capture": [
        {
            "target": "public.u",
            "consumer": "other",
            "key_columns": ["id"],
            "trigger_level": "row",
        }
    ],
    "sync_capture": [{"target": "public.u", "dry_run": True}],
    "verify_incremental_view": [{"target": "public.v", "repair": True}],
    "validate_partitions": [{}, {"target": "public.p"}],
    "verify_migrations": [{}],
}

# Signatures (argument names) that no JSON object can call, and why.
UNREACHABLE = {
    "restore(target, key_value, strict, search_path)": "anyelement; key and key_json are its JSON forms",
    "restore_many(target, keys, search_path)": "anyarray; keys_json is its JSON form",
    "soft_delete_many(target, keys, reason, strict, search_path)": "anyarray; keys_json is its JSON form",
    "precreate_partitions(root, program_value, site_value, every, dry_run, expected_plan, search_path)": (
        "anyelement; path, or program and site, are its JSON forms"
    ),
    "erase(target, key_value, dry_run, search_path)": "anyelement; key and key_json are its JSON forms",
    "soft_delete(target, key_value, reason, strict, search_path)": "anyelement; key and key_json are its JSON forms",
}

SIGNATURES = """
SELECT p.proname, coalesce(p.proargnames[:p.pronargs], '{}'), ARRAY(SELECT format_type(t, NULL) FROM
    unnest(p.proargtypes) AS t),
    p.pronargs - p.pronargdefaults
FROM pg_proc AS p
WHERE p.pronamespace = 'lifecycle'::regnamespace AND p.prokind = 'f' AND p.proname !~ '^_'
"""


@pytest.fixture
def scene(database, roles):
    role = roles("grantee")
    database.execute(SETUP)
    connection = database.connect(autocommit=False)
    ((migration,),) = rows(connection, "SELECT migration_id FROM lifecycle.migration WHERE name = 'm'")
    ((deletion,),) = rows(connection, "SELECT max(deletion_id) FROM lifecycle.deletion")
    return connection, {
        "{role}": role,
        "{migration}": migration,
        "{deletion}": deletion,
    }


def filled(value, scene):
    if isinstance(value, str):
        return scene.get(value, value)
    if isinstance(value, list):
        return [filled(v, scene) for v in value]
    return value


def test_every_function_is_called_with_json(scene):
    connection, values = scene
    rows(connection, "SELECT lifecycle.begin_migration('open')")  # for end_migration
    missing, unused = (
        [],
        {name: list(range(len(calls))) for name, calls in CALLS.items()},
    )
    for name, arguments, types, required in rows(connection, SIGNATURES):
        of_type = dict(zip(arguments, types, strict=True))
        reached = False
        for number, call in enumerate(CALLS.get(name, [])):
            if not (set(call) <= set(arguments) and set(arguments[:required]) <= set(call)):
                continue
            reached = True
            if number in unused[name]:
                unused[name].remove(number)
            named = ", ".join(f'{key} => (x)."{key}"' for key in call)
            columns = ", ".join(f'"{key}" {of_type[key]}' for key in call)
            source = (
                f" FROM json_to_record(%s) AS x ({columns}), LATERAL lifecycle.{name}({named}) AS f"
                if call
                else f" FROM lifecycle.{name}() AS f"
            )
            body = [json.dumps({key: filled(value, values) for key, value in call.items()})] if call else []
            try:
                with connection.transaction(force_rollback=True):
                    if name == "begin_migration":
                        rows(connection, "SELECT lifecycle.end_migration()")
                    if name in {"finish_conversion", "rollback_conversion"}:
                        rows(connection, "SELECT lifecycle.swap_tables_step('public.c2')")
                    rows(connection, "SELECT to_json(f)" + source, body)
            except psycopg.Error as error:
                pytest.fail(f"{name} {call}: {error.sqlstate} {error}")
        if not reached:
            missing.append(f"{name}({', '.join(arguments)})")
    assert [m for m in missing if m not in UNREACHABLE] == []
    assert {name: left for name, left in unused.items() if left} == {}


# What nobody means, by type. Texts that PostgreSQL reads (bounds, keys, queries) keep PostgreSQL's errors.
SENSELESS: dict[str, list[object]] = {
    "integer": [None, -1, 0, 2147483647],
    "bigint": [None, -1, 0, 9223372036854775807],
    "numeric": [None, -1, 0, "NaN"],
    "interval": [None, "-1 day", "0", "170000000 years"],
    "regclass": [None, "public.active_t", "public.t_pkey", "pg_catalog.pg_class", "4294967290"],
    "name": [None, "", "public.x"],
    "name[]": [None, [], [None], ["id", "id"]],
    "boolean": [None],
    "jsonb": [None, [], {}, 1, [None]],
}


def senseless_calls(connection):
    """Every call of CALLS with one argument replaced by what makes no sense."""
    for name, arguments, types, required in rows(connection, SIGNATURES):
        of_type = dict(zip(arguments, types, strict=True))
        for given in CALLS.get(name, [])[:1]:
            if set(given) <= set(arguments) and set(arguments[:required]) <= set(given):
                for argument in arguments:
                    for value in SENSELESS.get(of_type[argument], []):
                        yield name, of_type, given | {argument: value}, argument


def test_no_senseless_argument_gets_an_error_from_inside(scene):
    """It is understood, or refused by an error of ours: one that RAISE made."""
    connection, values = scene
    inside = []
    for name, of_type, call, argument in list(senseless_calls(connection)):
        named = ", ".join(f'{key} => (x)."{key}"' for key in call)
        columns = ", ".join(f'"{key}" {of_type[key]}' for key in call)
        body = json.dumps({key: filled(value, values) for key, value in call.items()})
        statement = (
            f"SELECT to_json(f) FROM json_to_record(%s) AS x ({columns}), LATERAL lifecycle.{name}({named}) AS f"
        )
        try:
            with connection.transaction(force_rollback=True):
                done = rows(connection, statement, [body])
            if argument == "dry_run" and done:
                inside.append(f"{name}, dry_run => NULL: {done}")
        except psycopg.Error as error:
            if error.diag.source_function != "exec_stmt_raise":
                inside.append(f"{name}, {argument} => {call[argument]}: {error.sqlstate} {error}")
    assert inside == []


def test_unreachable_list_is_no_longer_than_needed(database):
    found = {f"{name}({', '.join(arguments)})" for name, arguments, _, _ in database.execute(SIGNATURES)}
    assert UNREACHABLE.keys() - found == set()


def test_no_two_overloads_share_their_argument_names(database):
    seen: dict[tuple[str, frozenset[str]], int] = {}
    for name, arguments, _, _ in database.execute(SIGNATURES):
        key = (name, frozenset(arguments))
        seen[key] = seen.get(key, 0) + 1
    assert {key for key, count in seen.items() if count > 1} == set()


def test_no_argument_needs_quotes(database):
    found = database.execute(
        "SELECT p.oid::regprocedure::text, a FROM pg_proc AS p CROSS JOIN unnest(p.proargnames) AS a "
        "JOIN pg_get_keywords() AS k ON k.word = a WHERE p.pronamespace = 'lifecycle'::regnamespace AND "
        "k.catcode IN ('R', 'T', 'C')"
    )
    assert found == []
