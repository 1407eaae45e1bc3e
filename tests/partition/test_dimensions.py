"""Dimension tables: a new program or site gets its subtree, queued or at once; inactive ones are not kept ahead."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, rows, statuses

A, B, C, D = (f"{d * 8}-0000-4000-8000-000000000000" for d in "abcd")
SCENE = """
SET timezone = 'UTC';
CREATE TABLE public.program (program_id uuid PRIMARY KEY, active boolean NOT NULL DEFAULT true);
CREATE TABLE public.site (site_id uuid PRIMARY KEY, program_id uuid NOT NULL REFERENCES public.program);
CREATE TABLE public.obs (program_id uuid NOT NULL REFERENCES public.program, site_id uuid NOT NULL,
    at timestamptz NOT NULL, n int) PARTITION BY LIST (program_id);
SELECT lifecycle.manage_partitions('public.obs', premake => 1, levels => lifecycle.by_list('program_id')
    || lifecycle.by_list('site_id') || lifecycle.by_range('at', '1 month'));
"""
NAMED = {"target": "public.obs"}
PROGRAMS = NAMED | {"dimension": "public.program", "path_columns": ["program_id"]}
SITES = NAMED | {"dimension": "public.site", "path_columns": ["program_id", "site_id"]}


def follow(place, **arguments):
    return call(place, "follow_dimension", **arguments)


def ensure(place, **more):
    return call(place, "ensure_future_partitions", **more)


def tree(database):
    return [
        name
        for (name,) in database.execute(
            "SELECT relid::regclass::text FROM pg_partition_tree('public.obs') WHERE level > 0 ORDER BY level, 1"
        )
    ]


@pytest.fixture
def scene(database):
    database.execute(SCENE)
    return database


def test_queued_for_the_next_run(scene):
    scene.execute(f"INSERT INTO public.program VALUES ('{A}')")
    before = scene.dump(schema_only=True)
    (migration,) = {s.migration_id for s in follow(scene, **PROGRAMS)}
    follow(scene, **SITES)
    assert statuses(follow(scene, **SITES)) == ["skipped"]
    assert tree(scene) == []
    shown = ensure(scene, dry_run=True)
    done = ensure(scene)
    assert [s[1:6] for s in shown] == [s[1:6] for s in done]
    assert tree(scene) == ["obs_aaaaaaaa"], "what stood before is made up for"
    scene.execute(
        f"INSERT INTO public.program VALUES ('{B}'); INSERT INTO public.site VALUES ('{C}', '{A}'), ('{D}', '{B}')"
    )
    assert len(scene.execute("SELECT * FROM lifecycle.validate_partitions('public.obs')")) == 3
    assert set(statuses(ensure(scene))) == {"done"}
    names = tree(scene)
    assert names[:4] == ["obs_aaaaaaaa", "obs_bbbbbbbb", "obs_aaaaaaaa_cccccccc", "obs_bbbbbbbb_dddddddd"]
    assert len(names) == 8
    assert scene.execute("SELECT * FROM lifecycle.validate_partitions('public.obs')") == []
    assert set(statuses(ensure(scene))) == {"skipped"}
    scene.execute(f"INSERT INTO public.obs VALUES ('{A}', '{C}', now(), 1)")
    done = call(scene, "rollback_partition_policy", **NAMED, dry_run=False)
    assert "stays, it holds 1 row" in {s.note for s in done}
    assert migration in {s.migration_id for s in done}
    scene.execute("DROP TABLE public.obs_aaaaaaaa")
    assert scene.dump(schema_only=True) == before


def test_rolled_back_by_its_number(scene):
    before = scene.dump(schema_only=True)
    made = follow(scene, **PROGRAMS, predicate="d.active", at_once=True)
    rollback(scene, made[0].migration_id)
    assert scene.dump(schema_only=True) == before
    assert scene.execute("SELECT * FROM lifecycle.partition_dimension") == []


@pytest.mark.parametrize("at_once", [False, True])
def test_the_old_names_of_renamed_tables_are_free(scene, at_once):
    first = follow(scene, **PROGRAMS, at_once=at_once)
    scene.execute("ALTER TABLE public.obs RENAME TO old_obs")
    scene.execute(SCENE[SCENE.index("CREATE TABLE public.obs") :].replace(" REFERENCES public.program", ""))
    second = follow(scene, **PROGRAMS, at_once=at_once)
    scene.execute("ALTER TABLE public.program RENAME TO old_program; CREATE TABLE public.program (program_id uuid)")
    third = follow(scene, **PROGRAMS, at_once=at_once)
    assert all(set(statuses(s)) == {"done"} for s in (first, second, third))
    rollback(scene, second[0].migration_id)
    scene.execute(f"INSERT INTO public.program VALUES ('{A}'); INSERT INTO public.old_program VALUES ('{B}')")
    ensure(scene)
    assert tree(scene) == ["obs_aaaaaaaa"]
    assert rows(scene, "SELECT relid::text FROM pg_partition_tree('public.old_obs') WHERE level = 1") == [
        ("old_obs_bbbbbbbb",)
    ]


def test_at_once(scene, roles):
    """An application role that owns nothing writes a row: the partitions stand when it commits."""
    web = roles("web")
    scene.execute(f"GRANT ALL ON public.program, public.site TO {web}")
    follow(scene, **PROGRAMS, at_once=True)
    follow(scene, **SITES, at_once=True)
    with scene.connect(web) as connection:
        connection.execute(f"INSERT INTO public.program VALUES ('{A}'); INSERT INTO public.site VALUES ('{C}', '{A}')")
    assert tree(scene)[:2] == ["obs_aaaaaaaa", "obs_aaaaaaaa_cccccccc"]
    assert len(tree(scene)) == 4
    assert set(statuses(ensure(scene))) == {"skipped"}
    scene.execute(f"INSERT INTO public.obs VALUES ('{A}', '{C}', now(), 1)")
    assert scene.value("SELECT tableoid::regclass::text FROM public.obs").startswith("obs_aaaaaaaa_cccccccc_")


def test_what_cannot_be_made_at_once_stays_queued(scene):
    follow(scene, **PROGRAMS, at_once=True)
    with scene.connect(autocommit=False) as other:
        other.execute("LOCK TABLE public.obs IN SHARE UPDATE EXCLUSIVE MODE")
        said = []
        with scene.connect() as writer:
            writer.add_notice_handler(lambda notice: said.append(notice.message_primary))
            writer.execute(f"INSERT INTO public.program VALUES ('{A}')")
            assert writer.execute("SHOW lifecycle.lock_attempts").fetchone() in ((None,), ("",), ("10",))
    assert "55P03" in said[0]
    assert tree(scene) == []
    assert "done" in statuses(ensure(scene))
    assert tree(scene) == ["obs_aaaaaaaa"]


def test_without_the_extension_rows_are_written_all_the_same(scene):
    follow(scene, **PROGRAMS, at_once=True)
    scene.execute("DROP EXTENSION pg_lifecycle CASCADE")
    scene.execute(f"INSERT INTO public.program VALUES ('{A}')")
    assert scene.value("SELECT count(*) FROM public.program") == 1


def test_only_active_ones_are_made_and_kept_ahead(scene):
    follow(scene, **PROGRAMS, predicate="active -- only these")
    follow(scene, **SITES)
    scene.execute(
        f"INSERT INTO public.program VALUES ('{A}', true), ('{B}', false);"
        f"INSERT INTO public.site VALUES ('{C}', '{A}'), ('{D}', '{A}')"
    )
    ensure(scene)
    assert "obs_bbbbbbbb" not in tree(scene)
    assert len(tree(scene)) == 1 + 2 + 4
    scene.execute("UPDATE public.program SET active = NOT active")
    done = ensure(scene, months=3)
    assert next(s.object for s in done if s.status == "done") == "table public.obs_bbbbbbbb"
    assert len(tree(scene)) == 2 + 2 + 4, "what rests is not kept ahead"
    assert scene.execute("SELECT * FROM lifecycle.validate_partitions('public.obs')") == []
    scene.execute("UPDATE public.program SET active = true")
    ensure(scene, months=3)
    assert len(tree(scene)) == 2 + 2 + 8


def test_what_rests_is_retired_all_the_same(scene):
    follow(scene, **PROGRAMS, predicate="active")
    scene.execute(f"INSERT INTO public.program VALUES ('{A}', true); INSERT INTO public.site VALUES ('{C}', '{A}')")
    follow(scene, **SITES)
    ensure(scene)
    scene.execute(
        "CREATE TABLE public.old PARTITION OF public.obs_aaaaaaaa_cccccccc"
        " FOR VALUES FROM ('2020-01-01') TO ('2020-02-01');"
        "UPDATE public.program SET active = false"
    )
    assert [s.object for s in call(scene, "archive_old_partitions", months=12)] == ["table public.old"]


def test_a_failing_predicate_stops_nothing_else(scene):
    follow(scene, **PROGRAMS, predicate="1 / (CASE WHEN active THEN 1 ELSE 0 END) = 1")
    follow(scene, **SITES)
    scene.execute(
        f"INSERT INTO public.program VALUES ('{A}', true), ('{B}', false);INSERT INTO public.site VALUES ('{C}', '{A}')"
    )
    done = ensure(scene)
    assert "22012" in next(s.note for s in done if s.status == "failed")
    assert "obs_aaaaaaaa_cccccccc" in tree(scene)
    (finding,) = scene.execute("SELECT severity, finding, remedy FROM lifecycle.validate_partitions('public.obs')")
    assert finding == ("error", "its dimension cannot be read", None)
    scene.execute("UPDATE public.program SET active = true")
    ensure(scene)
    assert "obs_bbbbbbbb" in tree(scene)


def test_one_that_fails_comes_again(scene):
    follow(scene, **PROGRAMS)
    scene.execute(f"INSERT INTO public.program VALUES ('{A}'), ('{B}'), ('{C}')")
    assert "left to the next call" in {s.note for s in ensure(scene, max_creations=2)}
    assert len(tree(scene)) == 2
    with scene.connect(autocommit=False) as other:
        other.execute("LOCK TABLE public.obs IN SHARE UPDATE EXCLUSIVE MODE")
        scene.execute("SET lifecycle.lock_attempts = 1")
        assert "failed" in statuses(ensure(scene))
    ensure(scene)
    assert len(tree(scene)) == 3


def test_the_queue_survives_a_dump(scene):
    follow(scene, **PROGRAMS, at_once=False, predicate="active")
    follow(scene, **SITES)
    ensure(scene)
    scene.execute(f"INSERT INTO public.program VALUES ('{A}'); INSERT INTO public.site VALUES ('{C}', '{A}')")
    copy = scene.empty()
    scene.server.restore(copy.name, scene.server.dump(scene.name))
    assert set(statuses(ensure(copy))) == {"done"}
    assert tree(copy)[:2] == ["obs_aaaaaaaa", "obs_aaaaaaaa_cccccccc"]
    copy.execute(f"INSERT INTO public.site VALUES ('{D}', '{A}')")
    ensure(copy)
    assert "obs_aaaaaaaa_dddddddd" in tree(copy)
    assert tree(scene) == []


def test_values_are_compared_as_their_type(database):
    database.execute(
        "CREATE TABLE public.kind (k text PRIMARY KEY); INSERT INTO public.kind VALUES ('1.0'), ('2');"
        "CREATE TABLE public.m (k numeric) PARTITION BY LIST (k); CREATE TABLE public.m_1 PARTITION OF public.m"
        " FOR VALUES IN (1);"
        "SELECT lifecycle.manage_partitions('public.m', levels => lifecycle.by_list('k'))"
    )
    follow(database, target="public.m", dimension="public.kind", path_columns=["k"])
    assert [s.object for s in ensure(database) if s.action == "create partition"] == ["table public.m_2"]


def test_it_runs_with_the_rights_of_its_owner(scene, roles):
    """Whoever does the maintenance does not run the predicate of somebody else with his own rights."""
    owner = roles("owner")
    scene.execute(
        f"SELECT lifecycle.grant_lifecycle_admin('{owner}'); GRANT ALL ON SCHEMA public TO {owner};"
        f"ALTER TABLE public.obs OWNER TO {owner}; ALTER TABLE public.program OWNER TO {owner};"
        "DELETE FROM lifecycle.partition_policy; CREATE TABLE public.seen (who name);"
        f"GRANT ALL ON public.seen TO {owner}"
    )
    with scene.connect(owner) as connection:
        connection.execute(
            "SELECT lifecycle.manage_partitions('public.obs', premake => 1, levels => lifecycle.by_list('program_id')"
            " || lifecycle.by_list('site_id') || lifecycle.by_range('at', '1 month'), time_zone => 'UTC');"
            "CREATE FUNCTION public.spy() RETURNS boolean LANGUAGE plpgsql AS"
            " 'BEGIN INSERT INTO public.seen VALUES (current_user); RETURN true; END'"
        )
        follow(connection, **PROGRAMS, predicate="public.spy()")
        connection.execute(f"INSERT INTO public.program VALUES ('{A}')")
    done = ensure(scene)
    assert "failed" not in statuses(done), done
    assert {who for (who,) in scene.execute("SELECT who FROM public.seen")} == {owner}


def test_what_it_refuses(scene, roles):
    stranger = roles("stranger")
    with refused("22023", "cannot say which partitions public.obs needs"):
        follow(scene, **PROGRAMS | {"path_columns": ["program_id", "active", "active"]})
    with refused("42703", "column color of public.program does not exist"):
        follow(scene, **PROGRAMS | {"path_columns": ["color"]})
    with refused("42703"):
        follow(scene, **PROGRAMS, predicate="color = 1")
    scene.execute("CREATE TABLE public.loose (k text) PARTITION BY LIST (k)")
    with refused("55000", "public.loose has no policy"):
        follow(scene, **PROGRAMS | {"target": "public.loose"})
    scene.execute(f"ALTER TABLE public.obs OWNER TO {stranger}; UPDATE lifecycle.partition_policy SET premake = 2")
    with refused("42501", f"role {stranger}, the owner of public.obs, may not make partitions"):
        follow(scene, **PROGRAMS, at_once=True)
    assert rows(scene, "SELECT * FROM lifecycle.partition_dimension") == []
