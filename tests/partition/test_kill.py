"""A call that is killed in the middle has done nothing; the next one does all of it, and the one after that nothing."""

from __future__ import annotations

import pytest

from harness.databases import Databases
from harness.failpoints import INSTALL, Failpoints

pytestmark = [pytest.mark.long, pytest.mark.faults]

A, B = "aaaaaaaa-0000-4000-8000-000000000000", "bbbbbbbb-0000-4000-8000-000000000000"
SCENE = """
SET timezone = 'UTC';
CREATE TABLE public.m (at date NOT NULL, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
DO $$
DECLARE v_first date := date_trunc('month', current_date);
BEGIN
    FOR n IN 4..9 LOOP
        EXECUTE format('CREATE TABLE public.m_%s PARTITION OF public.m FOR VALUES FROM (%L) TO (%L)', n,
            v_first - make_interval(months => n), v_first - make_interval(months => n - 1));
        IF n < 7 THEN
            EXECUTE format('INSERT INTO public.m_%s VALUES (%L, 1)', n, v_first - make_interval(months => n));
        END IF;
    END LOOP;
END $$;
SELECT lifecycle.manage_partitions('public.m', '1 month', premake => 2, retention => '3 months');
CREATE TABLE public.o (program uuid, site uuid, at date) PARTITION BY LIST (program);
SELECT lifecycle.manage_partitions('public.o', levels => lifecycle.by_list('program') || lifecycle.by_list('site')
    || lifecycle.by_range('at', '1 month'), premake => 1);
"""
STANDING = (
    "SELECT c.oid::regclass::text, pg_get_expr(c.relpartbound, c.oid), c.relispartition FROM pg_class AS c"
    " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') ORDER BY 1"
)
JOURNAL = "SELECT migration_id, state FROM lifecycle.migration ORDER BY 1"
# What is called, and how many tables and partitions there are then: 6 months of m, m itself, and o.
CALLS = {
    "ensure_future_partitions": ("lifecycle.ensure_future_partitions(target => 'public.m')", 8 + 3, 8 + 3 - 2),
    "precreate_partitions": (f"lifecycle.precreate_partitions('public.o', '{A}', '{B}')", 8 + 4, 8 + 4 - 2),
    "cleanup_empty_partitions": ("lifecycle.cleanup_empty_partitions(30)", 8 - 3, 3),
    "archive_old_partitions": ("lifecycle.archive_old_partitions(dry_run => false)", 8, 0),
    "drop_old_partitions": ("lifecycle.drop_old_partitions(dry_run => false)", 2, 0),
}


@pytest.mark.parametrize("name", CALLS)
def test_killed_in_the_middle(own_server, name):
    routine, tables, partitions = CALLS[name]
    statement = f"SELECT status FROM {routine}"
    maker = Databases(own_server, f"kill_{name}")
    database = maker.make(maker.make_template())
    database.execute(INSTALL)
    database.execute(SCENE)
    failpoints = Failpoints(own_server, database.dsn(), "SELECT NULL::text", [])
    failpoints.watch("lifecycle.migration_step")
    before, journal = database.execute(STANDING), database.execute(JOURNAL)
    # The second event is the first DDL behind the journal, the third one lies in the middle.
    for at in (2, 3):
        assert failpoints.call(statement, f"none {at}", crash=True).killed
        database.close()
        assert database.execute(STANDING) == before
        assert database.execute(JOURNAL) == journal
    said = {status for (status,) in database.execute(statement)}
    assert said <= {"done", "skipped"}
    standing = database.execute(STANDING)
    assert len(standing) == tables
    assert sum(is_partition for _, _, is_partition in standing) == partitions
    assert {status for (status,) in database.execute(statement)} <= {"skipped"}
    assert database.execute(STANDING) == standing
    assert database.execute("SELECT severity FROM lifecycle.verify_migrations() WHERE severity <> 'ok'") == []
    assert database.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'") == [(0,)]
    database.close()
