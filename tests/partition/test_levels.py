"""Trees of partitions: described as levels, made along a path, kept ahead by one policy."""

from __future__ import annotations

import json
import re

import pytest

from harness.calls import call, refused, rows, statuses

A, B, C = (f"{d * 8}-0000-4000-8000-000000000000" for d in "abc")
SOURCE = """
CREATE TABLE public.program (id uuid PRIMARY KEY);
CREATE TABLE public.obs (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), site_id uuid NOT NULL,
    program_id uuid NOT NULL REFERENCES public.program, created_at timestamptz NOT NULL DEFAULT now(), growth numeric);
CREATE INDEX ON public.obs (growth DESC) WHERE growth > 0;
COMMENT ON TABLE public.obs IS 'observations';
ALTER TABLE public.obs ENABLE ROW LEVEL SECURITY;
CREATE POLICY everything ON public.obs USING (true);
"""
BY_MONTH = "lifecycle.by_range('created_at', '1 month')"
LEVELS = f"lifecycle.by_list('program_id') || lifecycle.by_list('site_id') || {BY_MONTH}"
ROW = f"INSERT INTO public.program VALUES ('{A}');" + (
    f"INSERT INTO public.obs_partitioned (program_id, site_id) VALUES ('{A}', '{B}')"
)


def make(database, levels=LEVELS, **more):
    named = "".join(f", {key} => %s" for key in more)
    return rows(
        database,
        f"SELECT * FROM lifecycle.create_partitioned_table('public.obs', {levels}{named})",
        list(more.values()),
    )


def precreate(database, path, root="public.obs_partitioned", **more):
    return call(database, "precreate_partitions", root=root, path=json.dumps(path), **more)


def tree(database, root="public.obs_partitioned"):
    return [
        (name, level)
        for name, level in database.execute(
            "SELECT relid::regclass::text, level FROM pg_partition_tree(%s::regclass) ORDER BY 2, 1",
            [root],
        )
    ]


@pytest.fixture
def observations(database):
    database.execute("SET timezone = 'UTC';" + SOURCE)
    make(database, premake=1)
    return database


def test_program_site_month(observations):
    done = precreate(observations, [A, B])
    assert set(statuses(done)) == {"done"}
    names = [name for name, _ in tree(observations)]
    assert names[:3] == [
        "obs_partitioned",
        "obs_partitioned_aaaaaaaa",
        "obs_partitioned_aaaaaaaa_bbbbbbbb",
    ]
    assert len(names) == 5
    assert all(len(name) < 64 for name in names)
    observations.execute(ROW)
    assert set(statuses(precreate(observations, {"program_id": A, "site_id": B}))) == {"skipped"}
    precreate(observations, {"program_id": C})
    assert ("obs_partitioned_cccccccc", 1) in tree(observations)


def test_what_the_table_gets(observations):
    precreate(observations, [A, B])
    ((key,),) = observations.execute(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'obs_partitioned_pkey'"
    )
    assert key == "PRIMARY KEY (id, program_id, site_id, created_at)"
    for name, _ in tree(observations):
        secured, policies, indexes, comment, keys = observations.execute(
            "SELECT c.relrowsecurity, (SELECT count(*) FROM pg_policy AS p WHERE p.polrelid = c.oid),"
            " (SELECT count(*) FROM pg_index AS i WHERE i.indrelid = c.oid), obj_description(c.oid, 'pg_class'),"
            " (SELECT count(*) FROM pg_constraint AS k WHERE k.conrelid = c.oid AND k.contype = 'f')"
            " FROM pg_class AS c WHERE c.oid = %s::regclass",
            [name],
        )[0]
        assert (secured, policies, indexes, comment, keys) == (
            True,
            1,
            2,
            "observations",
            1,
        ), name


def test_a_new_subtree_is_kept_ahead(observations):
    precreate(observations, [A, B])
    precreate(observations, [A, C])
    assert statuses(call(observations, "ensure_future_partitions")) == ["skipped"] * 2
    done = call(observations, "ensure_future_partitions", months=3)
    assert sum(s.action == "attach partition" and s.status == "done" for s in done) == 4
    assert len([n for n, level in tree(observations) if level == 3]) == 8


def test_a_hash_level_above_and_below(database):
    database.execute("SET timezone = 'UTC';" + SOURCE)
    make(
        database,
        "lifecycle.by_hash('program_id', 2) || lifecycle.by_range('created_at', '1 year')"
        " || lifecycle.by_hash('site_id', 3)",
        table_name="obs_by_submission",
        premake=0,
    )
    assert len(tree(database, "public.obs_by_submission")) == 1 + 2 + 2 + 6
    done = call(database, "ensure_future_partitions", months=12)
    assert {s.status for s in done if s.action == "attach partition"} == {"done"}
    assert len(tree(database, "public.obs_by_submission")) == 1 + 2 + 4 + 12


def test_by_submission_beside_it(observations):
    """The alternative root: one submission is in one of so many partitions, whatever its program, site and month."""
    observations.execute("ALTER TABLE public.obs ADD COLUMN submission_id uuid NOT NULL")
    make(observations, "lifecycle.by_hash('submission_id', 4)", table_name="obs_by_submission")
    assert [name for name, level in tree(observations, "public.obs_by_submission") if level] == [
        f"obs_by_submission_h{n}" for n in range(4)
    ]
    observations.execute(
        f"INSERT INTO public.program VALUES ('{A}'); INSERT INTO public.obs_by_submission (program_id, site_id,"
        f" submission_id) SELECT '{A}', '{B}', gen_random_uuid() FROM generate_series(1, 100)"
    )
    plan = rows(observations, f"EXPLAIN SELECT * FROM public.obs_by_submission WHERE submission_id = '{B}'")
    assert len({name for (line,) in plan for name in re.findall(r"obs_by_submission_h\d", line)}) == 1
    same = "SELECT count(*) FROM lifecycle.validate_partitions('public.obs_by_submission')"
    assert observations.value(same) == 0


def test_levels_of_every_shape(observations):
    """One jsonb, however it was put together."""
    for number, levels in enumerate(
        (
            LEVELS,
            f"to_jsonb(ARRAY[lifecycle.by_list('program_id'), lifecycle.by_list('site_id'), {BY_MONTH}])",
            '\'[{"method": "list", "column": "program_id"}, {"method": "list", "column": "site_id"},'
            ' {"method": "range", "column": "created_at", "every": "1 month"}]\'::jsonb',
        )
    ):
        make(observations, levels, table_name=f"shape_{number}")
    assert len(observations.execute("SELECT DISTINCT levels FROM lifecycle.partition_policy")) == 1


def test_rows_stay_when_the_policy_goes(observations):
    precreate(observations, [A, B])
    precreate(observations, [C, B])
    observations.execute(ROW)
    shown = call(observations, "rollback_partition_policy", target="public.obs_partitioned")
    assert {s.status for s in shown} == {"planned", "skipped"}
    done = call(
        observations,
        "rollback_partition_policy",
        target="public.obs_partitioned",
        dry_run=False,
    )
    assert any(s.note == "stays, it holds 1 row" for s in done)
    assert [level for _, level in tree(observations)] == [0, 1, 2, 3]
    assert observations.execute("SELECT count(*) FROM public.obs_partitioned") == [(1,)]


@pytest.mark.parametrize(
    "path",
    [
        "[]",
        "{}",
        '{"site_id": "x"}',
        '["a", "b", "c"]',
        '"a"',
        '{"program_id": "a", "color": "b"}',
        "null",
    ],
)
def test_paths_that_lead_nowhere(observations, path):
    with refused("22023", "is no path"):
        call(
            observations,
            "precreate_partitions",
            root="public.obs_partitioned",
            path=path,
        )


def test_what_it_refuses(observations):
    with refused("22P02"):
        precreate(observations, ["no uuid", B])
    observations.execute("CREATE TABLE public.loose (k text) PARTITION BY LIST (k)")
    with refused("55000", "has no policy"):
        precreate(observations, ["a"], root="public.loose")
    for levels, code in [
        ("lifecycle.by_list('color')", "42703"),
        ("'[]'::jsonb", "22023"),
        ("NULL", "22023"),
        ("'7'::jsonb", "42703"),
        ("lifecycle.by_hash('id', 0)", "22023"),
        ('\'{"method": "round", "column": "id"}\'::jsonb', "22023"),
        ("lifecycle.by_range('created_at', '30')", "22023"),
    ]:
        with refused(code):
            make(observations, levels, table_name="other")
    with refused("42P07", "public.program exists already"):
        make(observations, table_name="program")


def test_levels_must_be_those_that_stand(observations):
    with refused("42P17", "is partitioned by LIST (program_id)"):
        rows(
            observations,
            "SELECT * FROM lifecycle.manage_partitions('public.obs_partitioned',"
            " levels => lifecycle.by_list('site_id'))",
        )


def test_below_a_table_without_a_policy_nobody_knows_the_levels(database):
    database.execute(
        "CREATE TABLE public.loose (k text, n int) PARTITION BY LIST (k);"
        "CREATE TABLE public.loose_a PARTITION OF public.loose FOR VALUES IN ('a') PARTITION BY RANGE (n)"
    )
    with refused("0A000", "are partitioned themselves"):
        call(database, "create_list_partition", parent="public.loose", list_values=["b"])


def test_a_partitioned_table_that_holds_rows_is_not_rolled_back(observations):
    observations.execute("CREATE TABLE public.others PARTITION OF public.obs_partitioned DEFAULT;" + ROW)
    ((made,),) = observations.execute(
        "SELECT migration_id FROM lifecycle.migration_history WHERE feature = 'partitioned_table'"
    )
    rollback = f"SELECT * FROM lifecycle.rollback_migration({made}, dry_run => false"
    with refused("55000", "holds 1 row by now"):
        rows(observations, rollback + ")")
    rows(observations, rollback + """, options => '{"partition_rows": "drop"}')""")
    assert observations.value("SELECT to_regclass('public.obs_partitioned')") is None


@pytest.mark.parametrize(
    "levels",
    [
        "ARRAY[lifecycle.by_list('program_id'), lifecycle.by_list('site_id')]",
        "lifecycle.by_list('program_id') || lifecycle.by_list('site_id')",
        """'[{"method": "list", "column": "program_id"}, {"method": "list", "column": "site_id"}]'""",
        """'[[{"method": "list", "column": "program_id"}], {"method": "list", "column": "site_id"}]'::jsonb""",
    ],
)
def test_levels_in_all_their_forms(database, levels):
    database.execute(SOURCE)
    make(database, levels)
    precreate(database, [A, B])
    assert [level for _, level in tree(database)] == [0, 1, 2]


def test_program_and_site_as_two_arguments(observations):
    """As text, as values of their own types, and for all rows of a table that a predicate chooses."""
    observations.execute(f"INSERT INTO public.program VALUES ('{A}'), ('{C}')")
    made = "SELECT count(*) FROM lifecycle.precreate_partitions('public.obs_partitioned', {}) WHERE status = 'done'"
    assert observations.value(made.format(f"'{A}', '{B}'")) > 0
    assert observations.value(made.format(f"'{A}'::uuid, '{B}'::uuid")) == 0
    assert observations.value(made.format("'" + json.dumps([A, B]) + "'")) == 0
    done = rows(
        observations,
        "SELECT r.status FROM public.program AS p CROSS JOIN LATERAL lifecycle.precreate_partitions("
        f"'public.obs_partitioned', p.id, '{B}'::uuid) AS r WHERE p.id <> '{A}'",
    )
    assert set(done) == {("done",)}
    assert {name for name, level in tree(observations) if level == 2} == {
        "obs_partitioned_aaaaaaaa_bbbbbbbb",
        "obs_partitioned_cccccccc_bbbbbbbb",
    }
    call(observations, "precreate_partitions", root="public.obs_partitioned", program=C, site=A)
    assert ("obs_partitioned_cccccccc_aaaaaaaa", 2) in tree(observations)


def test_a_subtree_of_another_span_in_one_call(observations):
    """By the week below one site, by the month elsewhere; rolled back, the policy goes with the partitions."""
    done = precreate(observations, [A, B], every="1 week")
    assert done[-1].action == "add policy"
    policies = "SELECT parent, levels -> 0 ->> 'every' FROM lifecycle.partition_policy ORDER BY policy_id"
    site = "public.obs_partitioned_aaaaaaaa_bbbbbbbb"
    assert observations.execute(policies)[1:] == [(site, "1 week")]
    assert statuses(precreate(observations, [A, B], every="1 week"))[-1] == "skipped"
    weeks = "SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass"
    assert observations.value(weeks, [site]) == 2
    # the span of the subtree holds for whoever asks
    call(observations, "ensure_future_partitions", months=2)
    held = observations.value(weeks, [site])
    assert held >= 9
    precreate(observations, [A, B])
    assert observations.value(weeks, [site]) == held
    precreate(observations, [A, C])
    assert observations.value(weeks, ["public.obs_partitioned_aaaaaaaa_cccccccc"]) == 2
    assert statuses(precreate(observations, [A, B], every="2 weeks"))[-1] == "done"
    assert observations.execute(policies)[1:] == [(site, "2 weeks")]
    for path, every, why in (([A], "30", "cannot be every 30"), ([A, B], "1", "cannot be every 1")):
        with refused("22023", why):
            precreate(observations, path, every=every)
    with refused("22023", "every has no meaning for the subtree"):
        database_of_lists(observations)
        precreate(observations, ["a"], root="public.only_lists", every="1 week")
    observations.execute(
        "SELECT count(*) FROM lifecycle.rollback_all_migrations('I_UNDERSTAND_THIS_IS_DESTRUCTIVE', dry_run => false)"
    )
    assert observations.value("SELECT to_regclass(%s)", [site]) is None
    assert observations.value("SELECT count(*) FROM lifecycle.partition_policy") == 0


def database_of_lists(database):
    database.execute(
        "CREATE TABLE public.only_lists (a text, b text) PARTITION BY LIST (a);"
        "SELECT lifecycle.manage_partitions('public.only_lists', levels => lifecycle.by_list('a'))"
    )


def test_names_of_uuids_that_begin_alike(observations):
    """Readable, within 63 bytes, and never twice: in one call, in the next, at both levels."""
    alike = [f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in range(4)]
    for program in alike[:2]:
        for site in alike[2:]:
            assert set(statuses(precreate(observations, [program, site]))) <= {"done", "skipped"}
    assert len(tree(observations)) == 1 + 2 + 4 + 8
    observations.execute("CREATE TABLE public.wanted (program_id uuid, site_id uuid)")
    observations.execute(
        "SELECT lifecycle.follow_dimension('public.obs_partitioned', 'public.wanted', '{program_id,site_id}');"
        "INSERT INTO public.wanted SELECT ('bbbbbbbb-0000-4000-8000-00000000000' || p)::uuid,"
        " ('cccccccc-0000-4000-8000-00000000000' || s)::uuid"
        " FROM generate_series(1, 3) AS p, generate_series(1, 3) AS s"
    )
    done = call(observations, "ensure_future_partitions")
    assert [s for s in done if s.status == "failed"] == []
    names = [name for name, _ in tree(observations)]
    assert len(names) == len(set(names)) == 1 + 5 + 13 + 26
    assert all(len(name) <= 63 for name in names)
    assert "obs_partitioned_bbbbbbbb_cccccccc" in names
    ((held,),) = observations.execute(
        "SELECT count(DISTINCT pg_get_expr(relpartbound, oid)) FROM pg_class WHERE relname LIKE 'obs_partitioned_b%'"
        " AND relkind = 'p' AND relispartition AND pg_get_partkeydef(oid) LIKE 'LIST%'"
    )
    assert held == 3
