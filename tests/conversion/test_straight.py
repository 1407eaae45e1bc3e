"""The straight path: start, copy, validate, swap, finish, and back from either side of the swap."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rows

SCENE = """
CREATE TABLE public.t (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at date NOT NULL, site text,
    n int DEFAULT 7 CHECK (n > 0), twice int GENERATED ALWAYS AS (n * 2) STORED);
CREATE INDEX t_n_idx ON public.t (n);
CREATE UNIQUE INDEX "t Odd" ON public.t (site, n, id);
INSERT INTO public.t (at, site, n) SELECT date '2024-01-01' + g % 90, 's' || g % 3, g FROM generate_series(1, 500) AS g;
COMMENT ON TABLE public.t IS 'a table';
COMMENT ON COLUMN public.t.n IS 'a number';
CREATE VIEW public.v AS SELECT id, n FROM public.t WHERE n > 10;
"""
LEVELS = "lifecycle.by_range('at', '1 month')"
START = f"SELECT * FROM lifecycle.start_conversion('public.t', {LEVELS}, key_mode => 'extend', time_zone => 'UTC'"
ALL = "SELECT id, at, site, n, twice FROM {} ORDER BY id"


def state(place):
    return rows(place, "SELECT phase, remaining, rollback_possible, last_error FROM lifecycle.monitor_migration()")[0]


def convert(database, size=100):
    database.execute(f"CALL lifecycle.convert_data('public.t', {size})")


def ready(database):
    database.execute(SCENE)
    rows(database, START + ")")
    convert(database)


def test_there_and_finish(database):
    ready(database)
    assert state(database) == ("ready", None, True, None)
    database.execute("UPDATE public.t SET n = n + 1, at = at + 20 WHERE id % 7 = 0 AND at < '2024-03-01'")
    database.execute("DELETE FROM public.t WHERE id % 11 = 0; INSERT INTO public.t (at, n) VALUES ('2031-05-05', 5)")
    found = rows(database, "SELECT severity, finding FROM lifecycle.post_migration_validation('public.t', 100)")
    assert {row[0] for row in found} == {"ok"}
    before = rows(database, ALL.format("public.t"))
    shown = rows(database, "SELECT statement FROM lifecycle.preview_swap_tables('public.t')")
    database.execute("CALL lifecycle.swap_tables('public.t')")
    assert any("public.t was locked for" in notice for notice in database.notices)
    assert rows(database, ALL.format("public.t")) == before
    assert rows(database, "SELECT swap_steps FROM lifecycle.conversion")[0][0][0]["statement"] == shown[0][0]
    assert database.value("SELECT relkind::text FROM pg_class WHERE oid = 'public.t'::regclass") == "p"
    database.execute("INSERT INTO public.t (at, n) VALUES ('2024-01-01', 9)")
    assert database.value("SELECT max(id) FROM public.t") == before[-1][0] + 1
    assert database.value("SELECT count(*) FROM public.v WHERE n = 9") == 0
    database.execute("INSERT INTO public.t (at, n) VALUES ('2024-01-01', 99999)")
    assert database.value("SELECT count(*) FROM public.v WHERE n = 99999") == 1
    indexes = {row[0] for row in rows(database, "SELECT indexname FROM pg_indexes WHERE tablename = 't'")}
    assert indexes == {"t_pkey", "t_n_idx", "t Odd"}
    assert {s.status for s in call(database, "finish_conversion", target="public.t")} == {"planned"}
    assert {s.status for s in call(database, "finish_conversion", target="public.t", dry_run=False)} == {"done"}
    assert database.value("SELECT to_regclass('public.t_old')") is None
    assert database.value("SELECT obj_description('public.t'::regclass)") == "a table"
    assert state(database)[0] == "finished"
    assert database.execute("SELECT count(*) FROM pg_class WHERE relnamespace = 'lifecycle_data'::regnamespace") == [
        (0,)
    ]
    with refused("55000", "is not being converted"):
        call(database, "rollback_conversion", target="public.t")
    database.execute("SELECT * FROM lifecycle.prepare_uninstall(dry_run => false)")


@pytest.mark.parametrize("swapped", [False, True], ids=["before the swap", "after the swap"])
def test_there_and_back(database, swapped):
    database.execute(SCENE)
    schema = database.dump(schema_only=True)
    rows(database, START + ")")
    convert(database)
    if swapped:
        database.execute("CALL lifecycle.swap_tables('public.t')")
    database.execute("UPDATE public.t SET n = n + 1, at = at + 20 WHERE id % 7 = 0 AND at < '2024-03-01'")
    database.execute("DELETE FROM public.t WHERE id % 11 = 0; INSERT INTO public.t (at, n) VALUES ('2024-02-05', 5)")
    if swapped:
        with refused("55000", "rollback_conversion"):
            migration = database.value("SELECT max(migration_id) FROM lifecycle.migration")
            rows(database, "SELECT * FROM lifecycle.rollback_migration(%s)", [migration])
        convert(database)
        assert rows(database, ALL.format("public.t")) == rows(database, ALL.format("public.t_old"))
        found = rows(database, "SELECT severity FROM lifecycle.post_migration_validation('public.t')")
        assert found == [("ok",)]
        database.execute("UPDATE public.t SET n = 1 WHERE id = 3; INSERT INTO public.t (at) VALUES ('2024-02-06')")
    before = rows(database, ALL.format("public.t"))
    shown = call(database, "rollback_conversion", target="public.t")
    done = call(database, "rollback_conversion", target="public.t", dry_run=False, expected_plan=shown[0].plan_hash)
    assert [s.statement for s in done] == [s.statement for s in shown]
    assert rows(database, ALL.format("public.t")) == before
    assert database.dump(schema_only=True) == schema
    assert state(database)[0] == "rolled_back"
    database.execute("INSERT INTO public.t (at) VALUES ('2024-02-06')")
    assert database.value("SELECT max(id) FROM public.t") == before[-1][0] + 1


def test_a_lost_row_is_found(database):
    """The comparison can fail: a row taken out of the copy behind its back, and one that is changed."""
    ready(database)
    database.execute("DELETE FROM public.t_partitioned WHERE id = 250")
    database.execute("UPDATE public.t_partitioned SET site = 'other' WHERE id = 10")
    found = rows(database, "SELECT severity FROM lifecycle.post_migration_validation('public.t', 100)")
    assert [row[0] for row in found].count("error") == 2


def test_truncate_and_ddl_meanwhile(database):
    database.execute(SCENE)
    rows(database, START + ")")
    database.execute("CALL lifecycle.convert_data('public.t', 100, max_batches => 2)")
    assert state(database)[0] == "copy"
    database.execute("TRUNCATE public.t; INSERT INTO public.t (at, n) VALUES ('2024-01-03', 3)")
    convert(database)
    assert rows(database, ALL.format("public.t")) == rows(database, ALL.format("public.t_partitioned"))
    database.execute("ALTER TABLE public.t ADD COLUMN extra int")
    with pytest.raises(psycopg.Error, match="was altered since"):
        convert(database)
    assert "was altered" in state(database)[3]
    with pytest.raises(psycopg.Error, match="was altered since"):
        database.execute("CALL lifecycle.swap_tables('public.t')")
    call(database, "rollback_conversion", target="public.t", dry_run=False)


def test_at_once(database):
    database.execute(SCENE)
    before = rows(database, ALL.format("public.t"))
    rows(database, START + ", at_once => true)")
    assert rows(database, ALL.format("public.t")) == before
    assert state(database) == ("swapped", None, True, None)


def test_a_trial_is_not_swapped(database):
    database.execute(SCENE + "CREATE FUNCTION public.wanted(text) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = ''s1'''")
    rows(database, START + ", predicate => 'wanted(site)')")
    convert(database)
    assert database.value("SELECT count(DISTINCT site) FROM public.t_partitioned") == 1
    assert rows(database, "SELECT DISTINCT severity FROM lifecycle.post_migration_validation('public.t')") == [("ok",)]
    with pytest.raises(psycopg.Error, match="rows that were not copied"):
        database.execute("CALL lifecycle.swap_tables('public.t')")


def test_three_levels(database):
    database.execute(
        SCENE.replace("site text", "site text NOT NULL").replace("(at, site, n) SELECT", "(at, site, n) SELECT")
    )
    levels = "lifecycle.by_list('site') || lifecycle.by_hash('id', 2) || lifecycle.by_range('at', '1 month')"
    rows(
        database,
        f"SELECT * FROM lifecycle.start_conversion('public.t', {levels}, 'extend', time_zone => 'UTC', premake => 1)",
    )
    convert(database)
    database.execute("INSERT INTO public.t (at, site, n) VALUES ('1999-01-01', 'new one', 5)")
    before = rows(database, ALL.format("public.t"))
    database.execute("CALL lifecycle.swap_tables('public.t')")
    assert rows(database, ALL.format("public.t")) == before
    database.execute("UPDATE public.t SET site = 's' || id % 3 WHERE at > '2000-01-01'")
    before = rows(database, ALL.format("public.t"))
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert rows(database, ALL.format("public.t")) == before


def test_foreign_keys_both_ways(database):
    database.execute(SCENE)
    database.execute(
        "CREATE TABLE public.site (name text PRIMARY KEY); INSERT INTO public.site SELECT DISTINCT site FROM public.t;"
        "ALTER TABLE public.t ADD CONSTRAINT t_site_fkey FOREIGN KEY (site) REFERENCES public.site ON UPDATE CASCADE;"
        "CREATE TABLE public.c (t_id bigint, at date, CONSTRAINT c_t_fkey FOREIGN KEY (t_id) REFERENCES public.t);"
        "INSERT INTO public.c SELECT id, at FROM public.t WHERE id < 50"
    )
    schema = database.dump(schema_only=True)
    with refused("0A000", "c_t_fkey"):
        rows(database, START + ")")
    rows(database, START + ", foreign_key_mode => 'composite')")
    convert(database)
    database.execute("CALL lifecycle.swap_tables('public.t')")
    with refused("55000", "not validated"):
        call(database, "finish_conversion", target="public.t")
    with refused("23503"):
        database.execute("INSERT INTO public.t (at, site) VALUES ('2024-01-01', 'nowhere')")
    with refused("23503"):
        database.execute("DELETE FROM public.t WHERE id = 1")
    convert(database)
    assert state(database) == ("swapped", None, True, None)
    found = database.execute(
        "SELECT conname, conrelid::regclass::text, convalidated FROM pg_constraint "
        "WHERE contype = 'f' AND conparentid = 0 AND connamespace = 'public'::regnamespace ORDER BY 1"
    )
    assert found == [("c_t_fkey", "c", True), ("t_site_fkey", "t", True)]
    database.execute("DELETE FROM public.c; UPDATE public.site SET name = 'S' || name")
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert state(database)[:2] == ("rolled_back", "foreign keys to validate: CALL lifecycle.run_pending()")
    database.execute("CALL lifecycle.run_pending()")
    assert state(database)[:2] == ("rolled_back", None)
    assert database.dump(schema_only=True) == schema
    assert database.value("SELECT count(*) FROM public.t WHERE site LIKE 'Ss%'") == 500


def preview(database, more=""):
    query = f"SELECT phase, action, object, locks, note FROM lifecycle.preview_safe_migrate_table('public.t', {LEVELS}"
    return rows(database, query + more + ")")


def test_the_whole_plan(database):
    """Findings, statements, locks, rows, disk; with an error the findings alone; under way what is left."""
    database.execute(SCENE + "CREATE MATERIALIZED VIEW public.m AS SELECT id FROM public.t; ANALYZE public.t")
    before = database.dump(sort_rows=True)
    assert {row[0] for row in preview(database)} == {"check"}
    assert ("check", "error", "table constraint t_pkey on public.t") in {row[:3] for row in preview(database)}
    plan = preview(database, ", 'extend', new_name => 'fresh', old_name => 'stale'")
    assert [*dict.fromkeys(row[0] for row in plan)] == [
        "check", "start", "copy", "index", "validate", "swap", "settle", "finish"
    ]  # fmt: skip
    assert ("start", "create table", "table public.fresh") in {row[:3] for row in plan}
    locks = {row[1]: row[3] for row in plan}
    assert locks["swap tables"] == "ACCESS EXCLUSIVE: public.t, public.v"
    assert locks["build materialized view"]
    notes = {row[1]: row[4] for row in plan}
    assert "about 500 rows" in notes["copy rows"]
    assert "kB of table and indexes" in notes["copy rows"]
    assert database.dump(sort_rows=True) == before
    rows(database, START + ")")
    assert "rows to copy (an estimate)" in {row[1] for row in preview(database)}


def test_all_in_one_call(database):
    database.execute(SCENE)
    before, schema = (rows(database, ALL.format("public.t")), database.dump(sort_rows=True))
    database.execute(f"CALL lifecycle.safe_migrate_table('public.t', {LEVELS}, 'extend', dry_run => true)")
    assert any("CREATE TABLE public.t_partitioned" in notice for notice in database.notices)
    assert database.dump(sort_rows=True) == schema
    for _ in range(2):  # the second call finds it done
        database.execute(
            f"CALL lifecycle.safe_migrate_table('public.t', {LEVELS}, 'extend', old_name => 'stale', dry_run => false)"
        )
        assert state(database) == ("swapped", None, True, None)
    assert rows(database, ALL.format("public.t")) == before == rows(database, ALL.format("public.stale"))


VIEWS = """
CREATE MATERIALIZED VIEW public.m AS SELECT id, n FROM public.t;
CREATE UNIQUE INDEX m_id ON public.m (id);
CREATE MATERIALIZED VIEW public.top AS SELECT max(n) AS n FROM public.m;
CREATE VIEW public.w AS SELECT count(*) AS n FROM public.m;
"""


def test_an_empty_table(database):
    """Nothing was copied, at no rate at all: what is left can be told all the same."""
    database.execute("CREATE TABLE public.t (id bigint PRIMARY KEY, at date NOT NULL)")
    rows(database, START + ")")
    convert(database)
    left = "SELECT work, amount FROM lifecycle.preview_convert_data('public.t')"
    assert rows(database, left) == [("queue entries to replay", 0)]
    database.execute("CALL lifecycle.swap_tables('public.t')")
    assert rows(database, left) == [("queue entries to replay", 0)]


def test_materialized_views_are_never_empty(database):
    """They are read at each step, with what was there before or with what is there now; then they are fresh."""
    ready(database)
    database.execute(VIEWS)
    counts = []
    database.execute("CALL lifecycle.swap_tables('public.t')")
    database.execute("INSERT INTO public.t (at, n) VALUES ('2024-01-01', 77777)")
    assert state(database)[1] == "queue to replay into the old table"
    with refused("55000", "materialized views not built"):
        call(database, "finish_conversion", target="public.t")
    while rows(database, "SELECT remaining FROM lifecycle.convert_step('public.t', 100, 0)") != [(None,)]:
        counts.append(database.value("SELECT n FROM public.w"))
    assert set(counts) == {500, 501}
    assert database.value("SELECT n FROM public.top") == 77777
    database.execute("INSERT INTO public.t (at, n) VALUES ('2024-01-01', 88888)")
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert database.value("SELECT n FROM public.top") == 88888
    assert database.value("SELECT n FROM public.w") == 502
    database.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY public.m")
    left = rows(database, "SELECT relname FROM pg_class WHERE relname ~ '_(new|old|partitioned)$'")
    assert left == []


def test_finish_takes_the_old_views_along(database):
    ready(database)
    database.execute(VIEWS)
    database.execute(
        "SELECT * FROM lifecycle.apply_migration('mine', ARRAY[$$COMMENT ON MATERIALIZED VIEW m IS 'x'$$], "
        "ARRAY['COMMENT ON MATERIALIZED VIEW m IS NULL'])"
    )
    database.execute("CALL lifecycle.swap_tables('public.t')")
    convert(database)
    call(database, "finish_conversion", target="public.t", dry_run=False)
    database.execute("REFRESH MATERIALIZED VIEW public.m; REFRESH MATERIALIZED VIEW public.top")
    left = rows(database, "SELECT relname FROM pg_class WHERE relname ~ '_(new|old|partitioned)$'")
    assert left == []
    assert database.value("SELECT obj_description('public.m'::regclass)") == "x"


def test_a_view_dropped_meanwhile(database):
    ready(database)
    database.execute(VIEWS)
    database.execute("CALL lifecycle.swap_tables('public.t')")
    database.execute("DROP MATERIALIZED VIEW public.m CASCADE")
    convert(database)
    assert state(database)[1] is None
    call(database, "rollback_conversion", target="public.t", dry_run=False)


def test_what_was_bound_since_the_start(database):
    """Found again at the swap: nothing is left behind with the old table."""
    ready(database)
    database.execute("CREATE TABLE public.rows_of_t (x public.t)")
    with refused("55000", "bound to public.t", "rows_of_t"):
        database.execute("SELECT * FROM lifecycle.swap_tables_step('public.t')")
