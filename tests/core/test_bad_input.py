"""Arguments that make no sense get an error of ours that names them, and nothing is done."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

SETUP = """
CREATE TABLE public.t (id bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), name text);
CREATE TABLE public.u (id bigint PRIMARY KEY, t_id bigint);
CREATE INDEX ON public.u (t_id);
CREATE TABLE public.p (at date NOT NULL) PARTITION BY RANGE (at);
CREATE TABLE public.p_1 PARTITION OF public.p FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');
CREATE TABLE public.l (k text) PARTITION BY LIST (k);
CREATE TABLE public.l_1 PARTITION OF public.l FOR VALUES IN ('a', 'b');
CREATE TABLE public.h (k text) PARTITION BY HASH (k);
SELECT lifecycle.create_hash_partitions('public.h', 4);
CREATE MATERIALIZED VIEW public.m AS SELECT 1 AS one;
"""


@pytest.fixture
def scene(database):
    database.execute(SETUP)
    return database


# The call, the SQLSTATE, and what the error says.
NUMBERS = [
    ("should_refresh_views(-1)", "threshold must be at least 0, not -1"),
    ("should_refresh_views(NULL)", "threshold must be at least 0, not NULL"),
    (
        "check_partition_sizes(alert_bytes => -1)",
        "alert_bytes must be at least 0, not -1",
    ),
    (
        "ensure_future_partitions(max_creations => 0)",
        "max_creations must be at least 1, not 0",
    ),
    (
        "create_monthly_partition('public.p', 2026, 13)",
        "month must be between 1 and 12, not 13",
    ),
    (
        "create_monthly_partition('public.p', 2147483647, 1)",
        "year must be between -4713 and 294276",
    ),
    ("archive_old_partitions(2147483647)", "months must be between 1 and 12000"),
    (
        "create_partitioned_table('public.t', lifecycle.by_range('at', '1 day'), premake => -1)",
        "premake must be",
    ),
    (
        "create_partitioned_table('public.t', lifecycle.by_range('at', '1 day'), premake => NULL)",
        "premake must be",
    ),
    (
        "start_conversion('public.t', lifecycle.by_range('id', '10'), premake => 2147483647)",
        "premake must be between",
    ),
    (
        "convert_step('public.t', max_seconds => -1)",
        "max_seconds must be between 0 and 86400, not -1",
    ),
    (
        "create_partitioned_table('public.t', lifecycle.by_hash('id', 0))",
        "is no level",
    ),
]
SPANS = [
    (
        "check_mv_freshness('-1 day')",
        "max_age cannot be -1 days",
        "between zero and 1000 years",
    ),
    ("check_mv_freshness(NULL)", "max_age cannot be NULL"),
    ("refresh_load('170000000 years')", "period cannot be 170000000 years"),
    ("cleanup_refresh_history('170000000 years')", "keep cannot be 170000000 years"),
    (
        "manage_materialized_view('public.m', '170000000 years')",
        "every cannot be 170000000 years",
    ),
    (
        "manage_materialized_view('public.m', '1 day', max_age => '170000000 years')",
        "max_age cannot be",
    ),
    (
        "create_incremental_view('public.v', 'SELECT 1 AS one', '{one}', tolerance => '-1 day')",
        "tolerance cannot be",
    ),
]
# A number without a unit is seconds, and these take away for good.
UNITS = [
    "cleanup_refresh_history('5')",
    "preview_purge_deleted('public.t', '30')",
    "purge_deleted_step('public.t', '30')",
    "drop_archived_partitions(older_than => '30')",
]
OTHERS = [
    (
        "check_partition_sizes('public.t')",
        "42809",
        "public.t is a table",
        "safe_migrate_table",
    ),
    ("check_partition_sizes('public.m')", "42809", "public.m is a materialized view"),
    (
        "create_partition('public.p', '2021-01-01', '2022-01-01', time_zone => 'Mars')",
        "22023",
        "time_zone cannot be 'Mars'",
    ),
    (
        "ensure_future_partitions(1, 'public.p', time_zone => 'Mars')",
        "22023",
        "time_zone cannot be 'Mars'",
    ),
    ("manage_partitions('public.p', 'often')", "22023", "cannot be every often"),
    (
        "manage_partitions('public.p', '1 month', name_format => '')",
        "22023",
        "name_format cannot be ''",
        "_YYYY_MM",
    ),
    (
        "manage_partitions('public.p', '1 month', name_format => ' ')",
        "22023",
        "name_format cannot be ' '",
    ),
    (
        "manage_partitions('public.p', '1 month', name_format => '-x')",
        "22023",
        "every partition the same name",
    ),
    (
        "create_partitioned_table('public.t', lifecycle.by_range('at', '1 day'), name_format => '')",
        "22023",
        "name_format cannot be ''",
    ),
    (
        "manage_partitions('public.h', levels => lifecycle.by_hash('k', 4), retention => '1 year')",
        "22023",
        "retention cannot be '1 year' for a table without ranges",
    ),
    (
        "create_partitioned_table(NULL, lifecycle.by_range('at', '1 day'))",
        "22004",
        "target must not be NULL",
    ),
    (
        "create_list_partition('public.l', '{c,c}')",
        "22023",
        "a LIST partition needs values",
        "each once",
    ),
    (
        "split_partition('public.p_1', boundaries => '1')",
        "22023",
        "boundaries cannot be 1",
    ),
    (
        "split_partition('public.l_1', every => '1 day')",
        "22023",
        "boundaries must be lists of values",
    ),
    (
        "create_materialized_view('public.w', 'SELECT 1 AS one', '{one,one}')",
        "22023",
        "unique_key {one,one} names",
    ),
    (
        "create_materialized_view('public.w', 'SELECT 1 AS one', ARRAY[NULL::name])",
        "22023",
        "unique_key {NULL} names",
    ),
    (
        "create_incremental_view('public.v', 'SELECT t_id, count(*) FROM public.u GROUP BY 1', '{t_id}', '[1]')",
        "22023",
        "sources cannot be [1]",
    ),
    (
        "refresh_all_materialized_views(ARRAY[NULL::name])",
        "3F000",
        "schema NULL does not exist",
    ),
    ("refresh_incremental_view(NULL)", "22004", "target must not be NULL"),
    (
        "start_conversion('public.t', lifecycle.by_range('id', '10'), predicate => 'nope')",
        "22023",
        "predicate cannot be",
    ),
    (
        "start_conversion('public.t', lifecycle.by_range('id', '10'), predicate => '')",
        "22023",
        "predicate cannot be",
    ),
    (
        "start_capture('public.t', 'c', enable_always => NULL)",
        "22004",
        "enable_always must not be NULL",
    ),
    ("drop_capture('public.t', NULL)", "22004", "consumer must not be NULL"),
    ("expose('public', ARRAY[NULL])", "42883", "lifecycle.NULL"),
    ("manage_partitions('public.p', '900000000 months')", "22023", "cannot be every 900000000 months"),
    (
        "manage_partitions('public.p', '1 month', retention => '9000 years')",
        "22023",
        "retention cannot be '9000 years'",
    ),
    (
        "create_materialized_view('public.w', 'SELECT 1 AS one', NULL, indexes => ARRAY[''])",
        "22023",
        "indexes cannot be",
    ),
    ("detach_partition('public.p_1', into_schema => 'nope')", "3F000", "schema nope does not exist", "into_schema"),
    ("expose(NULL, '{setting}')", "3F000", "schema NULL does not exist"),
    (
        "apply_migration('m', ARRAY[' '], ARRAY[NULL])",
        "22023",
        "No statement of up is empty",
    ),
    ("rollback_all_migrations(options => '[]')", "22023", "options cannot be []"),
    (
        "create_materialized_view('public.w', 'SELECT 1', NULL, search_path => NULL)",
        "22004",
        "search_path must not be",
    ),
    ("erase('public.t', '[1]'::jsonb)", "22023", "[1] is not a key of public.t"),
]


def test_numbers(scene):
    for what, *words in NUMBERS:
        with refused("22023", *words):
            scene.execute(f"SELECT * FROM lifecycle.{what}")


def test_spans(scene):
    for what, *words in SPANS:
        with refused("22023", *words):
            scene.execute(f"SELECT * FROM lifecycle.{what}")


def test_seconds_where_rows_go_for_good(scene):
    call(scene, "enable_soft_delete", target="public.t")
    for what in UNITS:
        with refused(
            "22023",
            "It is zero, or a span of time between 00:01:00",
            "a number alone is seconds",
        ):
            scene.execute(f"SELECT * FROM lifecycle.{what}")
        scene.execute(f"SELECT * FROM lifecycle.{what.replace('30', '0').replace('5', '0')}")


def test_others(scene):
    for what, sqlstate, *words in OTHERS:
        with refused(sqlstate, *words):
            scene.execute(f"SELECT * FROM lifecycle.{what}")


PROCEDURES = [
    ("rewrite_partitions(pause => -1)", "pause must be between 0 and 86400, not -1"),
    (
        "rewrite_partitions(pause => 'NaN')",
        "pause must be between 0 and 86400, not NaN",
    ),
    ("rewrite_partitions(max_batches => 0)", "max_batches must be at least 1, not 0"),
    (
        "drain_default_partition('public.p', pause => NULL)",
        "pause must be between 0 and 86400, not NULL",
    ),
    ("convert_data('public.t', pause => '-1 s')", "pause cannot be -00:00:01"),
    (
        "convert_data('public.t', pause => '2 days')",
        "pause must be between 0 and 86400",
    ),
    (
        "convert_data('public.t', max_batches => -1)",
        "max_batches must be at least 1, not -1",
    ),
    ("swap_tables('public.t', NULL)", "max_attempts must be at least 1, not NULL"),
    (
        "safe_migrate_table('public.t', lifecycle.by_range('id', '10'), batch_size => 0)",
        "batch_size must be at least 1",
    ),
    (
        "purge_deleted('public.t', '30', dry_run => false)",
        "older_than cannot be 00:00:30",
    ),
]


def test_procedures_ask_before_they_begin(scene):
    for what, words in PROCEDURES:
        with refused("22023", words):
            scene.execute(f"CALL lifecycle.{what}")
    assert rows(scene, "SELECT count(*) FROM lifecycle.conversion") == [(0,)]


NULLS = [
    "SELECT * FROM lifecycle.rollback_all_migrations(dry_run => NULL)",
    "SELECT * FROM lifecycle.rollback_all_migrations('I_UNDERSTAND_THIS_IS_DESTRUCTIVE', dry_run => NULL)",
    "SELECT * FROM lifecycle.prepare_uninstall(dry_run => NULL)",
    "SELECT * FROM lifecycle.rollback_soft_delete('public.t', dry_run => NULL)",
    "SELECT * FROM lifecycle.erase('public.t', '1', dry_run => NULL)",
    "SELECT * FROM lifecycle.drop_old_partitions(12, dry_run => NULL)",
    "SELECT * FROM lifecycle.create_hash_partitions('public.h', 4, dry_run => NULL)",
    "CALL lifecycle.purge_deleted('public.t', '0', dry_run => NULL)",
    "CALL lifecycle.safe_migrate_table('public.u', lifecycle.by_range('id', '10'), dry_run => NULL)",
]


def test_dry_run_that_is_null_runs_nothing(scene):
    call(scene, "enable_soft_delete", target="public.t")
    scene.execute("INSERT INTO public.t VALUES (1)")
    scene.execute("SELECT lifecycle.soft_delete('public.t', '1')")
    before = rows(scene, "SELECT migration_id, state FROM lifecycle.migration ORDER BY 1")
    for statement in NULLS:
        with refused("22004", "dry_run must not be NULL", "Pass true to see the plan"):
            scene.execute(statement)
    assert rows(scene, "SELECT migration_id, state FROM lifecycle.migration ORDER BY 1") == before
    assert rows(scene, "SELECT count(*) FROM public.t") == [(1,)]


QUALIFIED = [
    (
        "enable_soft_delete",
        {"target": "public.t", "view_name": "public.live_t"},
        "view_name",
        "Write 'live_t'",
    ),
    (
        "enable_soft_delete",
        {"target": "public.t", "rpc_name": "public.gone"},
        "rpc_name",
        "Write 'gone'",
    ),
    (
        "enable_soft_delete",
        {"target": "public.t", "restore_rpc_name": "public.back"},
        "restore_rpc_name",
        "schema",
    ),
    (
        "create_partition",
        {
            "parent": "public.p",
            "lower_bound": "2021-01-01",
            "upper_bound": "2022-01-01",
            "partition_name": "public.x",
        },
        "partition_name",
        "Write 'x'",
    ),
    (
        "create_list_partition",
        {"parent": "public.l", "list_values": ["c"], "partition_name": "public.x"},
        "x",
        "x",
    ),
    (
        "create_partitioned_table",
        {
            "source": "public.t",
            "levels": '[{"method": "list", "column": "name"}]',
            "table_name": "public.x",
        },
        "table_name",
        "Write 'x'",
    ),
    (
        "start_conversion",
        {
            "target": "public.t",
            "levels": '[{"method": "list", "column": "name"}]',
            "new_name": '"My S".x',
        },
        "new_name",
        "Write 'x'",
    ),
]


def test_a_schema_before_a_local_name(scene):
    scene.execute('CREATE SCHEMA "My S"')
    for name, arguments, *words in QUALIFIED:
        with refused("42602", "stands in the schema of the table", *words):
            call(scene, name, **arguments)
    with refused("22023", "partition_name must not be empty", "Leave it out"):
        call(
            scene,
            "create_list_partition",
            parent="public.l",
            list_values=["c"],
            partition_name="",
        )
    # A dot alone is a name like any other.
    call(scene, "enable_soft_delete", target="public.t", view_name="v.1")
    assert rows(scene, """SELECT count(*) FROM public."v.1" """) == [(0,)]


def test_another_modulus(scene):
    for modulus in (2, 8, 3):
        with refused(
            "42P17",
            f"another modulus than {modulus}",
            "public.h_h0 (modulus 4, remainder 0)",
        ):
            call(scene, "create_hash_partitions", parent="public.h", modulus=modulus)
    assert {s.status for s in call(scene, "create_hash_partitions", parent="public.h", modulus=4)} == {"skipped"}
    # What PostgreSQL allows: a remainder that is free, of a modulus that divides the other.
    scene.execute(
        "DROP TABLE public.h_h3; CREATE TABLE public.h_7 PARTITION OF public.h FOR VALUES WITH (MODULUS 8, REMAINDER 7)"
    )
    with refused("42P17", "In the way: public.h_7 (modulus 8, remainder 7)"):
        call(scene, "create_hash_partitions", parent="public.h", modulus=4)


def test_settings_that_would_fail_later(scene):
    for name, value, words in (
        ("lock_timeout", "2147483648", "from 0 to 999999999"),
        ("lock_attempts", "0", "from 1 to 999999999"),
        ("conversion_share", "101", "from 0 to 100"),
        ("incremental_share", "1000", "from 0 to 100"),
    ):
        with refused("22023", f"setting {name} cannot be", words, "The default is"):
            scene.execute("SELECT lifecycle.set_setting(%s, %s)", [name, value])
    scene.execute("SELECT lifecycle.set_setting('lock_timeout', '999999999')")
    call(scene, "enable_soft_delete", target="public.t")
    call(scene, "create_hash_partitions", parent="public.h", modulus=4)


def test_a_group_outside_of_a_transaction_block(scene):
    with refused(
        "25P01",
        "'001' ended with its transaction",
        "BEGIN; SELECT lifecycle.begin_migration",
    ):
        scene.execute("SELECT lifecycle.begin_migration('001')")
    assert rows(scene, "SELECT name FROM lifecycle.migration WHERE feature = 'group'") == []
    # As one string it is one transaction.
    scene.execute("SELECT lifecycle.begin_migration('001'); SELECT lifecycle.end_migration()")
    scene.execute(
        "SELECT lifecycle.begin_migration('002'); "
        "SELECT lifecycle.apply_migration('a', ARRAY['CREATE TABLE public.a ()'], ARRAY['DROP TABLE public.a'])"
    )
    assert rows(scene, "SELECT name FROM lifecycle.migration WHERE feature = 'group' ORDER BY 1") == [
        ("001",),
        ("002",),
    ]


def test_the_remedy_for_a_dropped_incremental_view_works(scene):
    query = "SELECT t_id, count(*) AS n FROM public.u GROUP BY t_id"
    arguments = {
        "view_name": "public.n",
        "query": query,
        "key_columns": ["t_id"],
        "at_once": True,
    }
    call(scene, "create_incremental_view", **arguments)
    scene.execute("DROP TABLE public.n")
    found = rows(
        scene,
        "SELECT finding, remedy FROM lifecycle.verify_migrations() WHERE severity = 'error'",
    )
    assert {finding for finding, _ in found} == {"missing"}
    assert len({remedy for _, remedy in found}) == 1
    scene.execute(found[0][1])
    assert rows(scene, "SELECT * FROM lifecycle.verify_migrations() WHERE severity <> 'ok'") == []
    assert {s.status for s in call(scene, "create_incremental_view", **arguments)} == {"done"}


def test_the_remedy_for_a_dropped_partition_works(scene):
    call(
        scene,
        "create_partition",
        parent="public.p",
        lower_bound="2021-01-01",
        upper_bound="2022-01-01",
    )
    ((name,),) = rows(
        scene,
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'public.p'::regclass "
        "AND inhrelid <> 'public.p_1'::regclass",
    )
    scene.execute(f"DROP TABLE {name}")
    for (remedy,) in rows(
        scene,
        "SELECT remedy FROM lifecycle.verify_migrations() WHERE finding = 'missing'",
    ):
        scene.execute(remedy)
    scene.execute("INSERT INTO public.p VALUES ('2021-06-01')")
    assert rows(scene, f"SELECT count(*) FROM {name}") == [(1,)]
