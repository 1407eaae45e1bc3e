"""Records that lead to the tables of others: what is written down of a table binds nobody who did not write it."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rows

MONTHLY = "lifecycle.by_range('at', '1 month')"
CONVERSION = "source, source_oid, partitioned, partitioned_oid, old_name, levels, options, key_columns, root_key, queue"
REWRITE = "staging, kind, parent, parent_oid, sources, queues, filenodes, blocks_done, blocks_total"
CAPTURE = "queue, queue_oid, source, source_oid, consumer, key_columns, column_numbers, trigger_level, enable_always"
VIEW = "target, target_oid, query_view, query_view_oid, key_columns, sources, settings"
POLICY = "parent, parent_oid, levels, premake, retention, time_zone"
# Tables that do not exist yet: the next ones that somebody makes.
FUTURE = "'public.future', 4000000000"
EARLY = {
    "conversion": f"({CONVERSION}) VALUES ({FUTURE}, {FUTURE}, 'o', '[]', '{{}}', '{{}}', '{{}}', 'q')",
    "capture": f"({CAPTURE}) VALUES ('lifecycle_data.q', 4000000001, {FUTURE}, 'c', '{{}}', '{{}}', 'row', false)",
    "incremental_view": f"({VIEW}) VALUES ({FUTURE}, 'public.v', 4000000001, '{{id}}', '[]', '{{}}')",
    "materialized_view_policy": f"(view_name, view_oid, every, min_changes) VALUES ({FUTURE}, '1 hour', 0)",
    "partition_policy": f"({POLICY}) VALUES ({FUTURE}, '[]', 0, '1 day', 'UTC')",
    "partition_leaf_key": f"(parent, parent_oid, key_name) VALUES ({FUTURE}, 'k')",
    "partition_rewrite": f"({REWRITE}) VALUES ('s', 'split', {FUTURE}, '{{}}', '{{}}', '{{}}', '{{}}', '{{}}')",
}


@pytest.fixture
def hers(database, roles):
    """Alice, an administrator with tables of her own."""
    name = roles("alice")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    call(database, "grant_lifecycle_admin", role_name=name)
    connection = database.connect(name)
    connection.execute(
        "CREATE TABLE public.hers (id int PRIMARY KEY, at date NOT NULL DEFAULT '2026-01-01', secret text);"
        "INSERT INTO public.hers SELECT g, '2026-01-01', 'secret' FROM generate_series(1, 100) AS g"
    )
    return connection


@pytest.fixture
def his(database, roles):
    """Mallory, another one."""
    name = roles("mallory")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    call(database, "grant_lifecycle_admin", role_name=name)
    connection = database.connect(name)
    connection.execute("CREATE TABLE public.his (id int PRIMARY KEY, at date NOT NULL, secret text)")
    return connection


def capture(place):
    """A capture of her table."""
    call(place, "start_capture", target="public.hers", consumer="search", key_columns=["id"])


def uncapture(place):
    """And its end."""
    call(place, "drop_capture", target="public.hers", consumer="search", dry_run=False)


def step(connection, action, thing, address=None):
    """A migration of his own with a step that is about her things."""
    migration = connection.execute(
        "INSERT INTO lifecycle.migration (feature, search_path, plan_hash, state) "
        "VALUES ('user', 'public', 'x', 'applied') RETURNING migration_id"
    ).fetchone()[0]
    connection.execute(
        "INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement, inverse) "
        "VALUES (%s, 1, 1, %s, %s, 'SELECT 1', 'SELECT 1')",
        [migration, action, thing],
    )
    connection.execute(
        "UPDATE lifecycle.migration_step SET status = 'done', run_at = now(), made = true, "
        "address = %s::lifecycle.object_address WHERE migration_id = %s",
        [address, migration],
    )
    return migration


@pytest.mark.parametrize("table", EARLY)
def test_nobody_writes_of_a_table_that_does_not_exist_yet(his, table):
    with refused("42501", f'row-level security policy for table "{table}"'):
        his.execute(f"INSERT INTO lifecycle.{table} {EARLY[table]}")


def test_a_row_that_is_his_is_not_turned_to_what_is_to_come(database, his):
    """One that a superuser wrote about his table, so that it would bind whoever makes the next one."""
    his.execute("CREATE TABLE public.set (id int, at date NOT NULL) PARTITION BY RANGE (at)")
    rows(
        database,
        f"SELECT * FROM lifecycle.manage_partitions('public.set', levels => ARRAY[{MONTHLY}])",
    )
    for change in ("parent_oid = 4000000000", "origin = 'elsewhere'"):
        with refused("42501", "permission denied for table partition_policy"):
            his.execute(f"UPDATE lifecycle.partition_policy SET {change}")
    for table, change in (
        ("materialized_view_policy", "view_oid = 4000000000"),
        (
            "materialized_view_policy",
            "view_name = 'public.future', origin = 'elsewhere'",
        ),
    ):
        his.execute("CREATE MATERIALIZED VIEW IF NOT EXISTS public.sum AS SELECT 1 AS id")
        rows(
            his,
            "SELECT * FROM lifecycle.manage_materialized_view('public.sum', '1 hour')",
        )
        with refused("42501", f'row-level security policy for table "{table}"'):
            his.execute(f"UPDATE lifecycle.{table} SET {change}")


def test_no_conversion_leads_to_anothers_table(his, hers):
    with refused("42501", 'row-level security policy for table "conversion"'):
        his.execute(
            f"INSERT INTO lifecycle.conversion ({CONVERSION}) VALUES ('public.his', 'public.his'::regclass, "
            "'public.hers', 'public.hers'::regclass, 'o', '[]', '{}', '{}', '{}', 'q')"
        )


def test_a_conversion_that_does_lead_there_binds_nobody(database, his, hers):
    """As if it had been written before its table changed hands: its stored statements are not hers."""
    his.execute("CREATE TABLE public.given (id int PRIMARY KEY)")
    his.execute(
        f"INSERT INTO lifecycle.conversion ({CONVERSION}) VALUES ('public.his', 'public.his'::regclass, "
        "'public.given', 'public.given'::regclass, 'o', '[]', '{}', '{}', '{}', 'q')"
    )
    evil = '[{"step": 1, "action": "x", "object": "x", "statement": "x", "inverse": "DROP TABLE public.hers"}]'
    his.execute("UPDATE lifecycle.conversion SET phase = 'swapped', swap_steps = %s", [evil])
    database.execute("ALTER TABLE public.given OWNER TO " + hers.info.user)
    for place in (hers, database):
        with refused("55000", "public.given is not being converted"):
            rows(place, "SELECT * FROM lifecycle.rollback_conversion('public.given')")


def test_a_forged_step_does_not_shut_the_way_back_of_a_conversion(his, hers):
    rows(
        hers,
        f"SELECT * FROM lifecycle.start_conversion('public.hers', ARRAY[{MONTHLY}], 'extend')",
    )
    step(his, "register conversion", "conversion of public.hers")
    call(hers, "rollback_conversion", target="public.hers", dry_run=False)
    assert rows(hers, "SELECT FROM lifecycle.monitor_migration() WHERE phase = 'copy'") == []


def test_a_rewrite_reads_and_empties_nothing_of_others(database, his, hers):
    """A superuser carries on all rewrites: this one copies her rows to him, and empties what it calls a queue."""
    his.execute(
        f"INSERT INTO lifecycle.partition_rewrite ({REWRITE}) VALUES ('public.his', 'split', 'public.his', "
        "'public.his'::regclass, '{public.hers}', '{}', '{NULL}', '{0}', '{0}'), ('public.hers', 'split', "
        "'public.his', 'public.his'::regclass, '{public.his}', '{}', '{NULL}', '{0}', '{0}')"
    )
    assert database.value("SELECT lifecycle.rewrite_partitions_step() ->> 'status'") == "nothing"
    assert his.execute("SELECT count(*) FROM public.his").fetchone() == (0,)


def test_a_queue_is_not_claimed_by_anothers_capture(database, his, hers):
    capture(hers)
    queue = database.value("SELECT queue FROM lifecycle.capture")
    with refused("42501", 'row-level security policy for table "capture"'):
        his.execute(
            f"INSERT INTO lifecycle.capture ({CAPTURE}) VALUES ('aaa', %s::regclass, 'public.his', "
            "'public.his'::regclass, 'a', '{id}', '{1}', 'row', false)",
            [queue],
        )


def test_a_forged_step_does_not_keep_a_capture(database, his, hers):
    capture(hers)
    queue = database.value("SELECT queue FROM lifecycle.capture")
    step(his, "register capture", f"capture {queue}")
    step(his, "register partitions", f"capture sync {queue}")
    uncapture(hers)
    assert database.execute("SELECT FROM lifecycle.capture") == []


def test_no_incremental_view_has_anothers_query(his, hers):
    hers.execute("CREATE VIEW public.her_query AS SELECT * FROM public.hers")
    with refused("42501", 'row-level security policy for table "incremental_view"'):
        his.execute(
            f"INSERT INTO lifecycle.incremental_view ({VIEW}) VALUES ('public.his', 'public.his'::regclass, "
            "'public.her_query', 'public.her_query'::regclass, '{id}', '[]', '{}')"
        )


def test_a_forged_step_does_not_rest_on_hers(database, his, hers):
    capture(hers)
    oid = database.value("SELECT queue_oid FROM lifecycle.capture")
    step(his, "x", "table public.x", f"({1259},{oid},0)")
    uncapture(hers)


def test_a_forged_migration_of_hers_does_not_shut_the_way_back(his, hers):
    call(hers, "enable_soft_delete", target="public.hers")
    with refused("42501", 'row-level security policy for table "migration"'):
        his.execute(
            "INSERT INTO lifecycle.migration (feature, target, target_oid, search_path, plan_hash, state) VALUES "
            "('soft_delete', 'public.hers', 'public.hers'::regclass, 'public', 'x', 'applied')"
        )
    call(hers, "rollback_soft_delete", target="public.hers", dry_run=False)


def test_what_a_superuser_did_to_hers_he_cannot_write_off(database, his, hers):
    """Nobody would take it back any more."""
    capture(database)
    number = database.value("SELECT max(migration_id) FROM lifecycle.migration")
    his.execute(
        "UPDATE lifecycle.migration SET state = 'rolled_back', rolled_back_at = now(), rolled_back_by = current_user"
    )
    his.execute("UPDATE lifecycle.migration_step SET status = 'rolled_back'")
    kept = (
        "SELECT m.state, s.status FROM lifecycle.migration AS m JOIN lifecycle.migration_step AS s USING (migration_id)"
    )
    assert {*rows(database, f"{kept} WHERE migration_id = %s", [number])} == {("applied", "done")}
    uncapture(database)


def test_numbers_of_deletions_are_not_taken_beforehand(his, hers):
    call(hers, "enable_soft_delete", target="public.hers")
    with refused("42501", 'row-level security policy for table "deletion"'):
        his.execute(
            "INSERT INTO lifecycle.deletion (deletion_id, table_schema, table_name, table_oid) "
            "OVERRIDING SYSTEM VALUE SELECT coalesce(max(g), 0), 'public', 'his', 'public.his'::regclass "
            "FROM nextval('lifecycle.deletion_deletion_id_seq') AS n CROSS JOIN LATERAL generate_series(n, n + 10) AS g"
        )


def test_what_he_owns_he_may_still_convert(his):
    rows(
        his,
        f"SELECT * FROM lifecycle.start_conversion('public.his', ARRAY[{MONTHLY}], 'extend')",
    )
    call(his, "rollback_conversion", target="public.his", dry_run=False)
    with pytest.raises(psycopg.Error, match="not being converted"):
        rows(his, "SELECT * FROM lifecycle.convert_step('public.his')")


def test_clearing_his_rows_does_not_run_his_triggers_as_a_superuser(database, his):
    """PostgreSQL clears as the owner of the table that refers; here it would be the owner of the other one."""
    database.execute(
        "CREATE TABLE public.p (id int PRIMARY KEY); INSERT INTO public.p VALUES (1);"
        f"GRANT REFERENCES ON public.p TO {his.info.user}"
    )
    call(database, "enable_soft_delete", target="public.p")
    his.execute(
        "CREATE TABLE public.ran_as (name text); GRANT ALL ON public.ran_as TO PUBLIC;"
        "CREATE TABLE public.c (id int PRIMARY KEY, p int REFERENCES public.p ON DELETE SET NULL);"
        "INSERT INTO public.c VALUES (1, 1);"
        "CREATE FUNCTION public.evil() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN "
        "INSERT INTO public.ran_as VALUES (current_user); RETURN NEW; END$$;"
        "CREATE TRIGGER evil BEFORE UPDATE ON public.c FOR EACH ROW EXECUTE FUNCTION public.evil()"
    )
    with refused("42501", "foreign key c_p_fkey of public.c cannot be followed", "enable_soft_delete"):
        rows(database, "SELECT lifecycle.soft_delete('public.p', key => '1')")
    assert rows(database, "SELECT name FROM public.ran_as") == []
    call(his, "enable_soft_delete", target="public.c")
    rows(database, "SELECT lifecycle.soft_delete('public.p', key => '1')")
    assert rows(database, "SELECT name FROM public.ran_as") == [(his.info.user,)]
