"""What keeping partitions ahead costs when there is nothing to do, against pg_partman where it is installed."""

from __future__ import annotations

import pytest
from bench.paired import paired

from harness.databases import Database

PARENTS, MONTHS = 200, 36

SETS = f"""
CREATE SCHEMA partman;
CREATE EXTENSION pg_partman SCHEMA partman;
DO $$
BEGIN
    FOR i IN 1..{PARENTS} LOOP
        EXECUTE format('CREATE TABLE public.metric_%s (at timestamptz NOT NULL, value int) PARTITION BY RANGE (at)', i);
        PERFORM partman.create_parent('public.metric_' || i, 'at', '1 month', p_premake => 6, p_default_table => false,
            p_start_partition => (date_trunc('month', now()) - interval '{MONTHS - 7} months')::text);
    END LOOP;
    UPDATE partman.part_config SET infinite_time_partitions = true;
END $$
"""


def test_nothing_to_do(database: Database) -> None:
    """200 parents with 36 monthly partitions each, all of the coming six months there."""
    if not database.server.available("pg_partman"):
        pytest.skip("pg_partman is not installed on this server")
    database.execute(SETS)
    assert database.value("SELECT count(*) FROM lifecycle.ensure_future_partitions(6) WHERE status <> 'skipped'") == 0
    paired(
        f"maintenance with nothing to do, {PARENTS} x {MONTHS} partitions / pg_partman",
        lambda: database.execute("SELECT count(*) FROM lifecycle.ensure_future_partitions(6)"),
        lambda: database.execute("SELECT partman.run_maintenance()"),
        goal="<= 0.05",
        rounds=5,
    )


def test_nothing_to_do_under_policies(database: Database) -> None:
    """The same sets, put under policies: what was covered at the last look is not read again."""
    if not database.server.available("pg_partman"):
        pytest.skip("pg_partman is not installed on this server")
    database.execute(SETS)
    database.execute(
        f"SELECT lifecycle.manage_partitions(('public.metric_' || i)::regclass) FROM generate_series(1, {PARENTS}) AS i"
    )
    assert database.value("SELECT count(*) FROM lifecycle.ensure_future_partitions() WHERE status <> 'skipped'") == 0
    paired(
        f"maintenance under policies, nothing to do, {PARENTS} x {MONTHS} partitions / pg_partman",
        lambda: database.execute("SELECT count(*) FROM lifecycle.ensure_future_partitions()"),
        lambda: database.execute("SELECT partman.run_maintenance()"),
        goal="<= 0.05",
        rounds=5,
    )


RETIRED, STANDING = 100, 1066
# What a DROP costs is in the files of a table: its own alone, or those of a key and of TOAST as well.
SHAPES = {
    "a date and an integer": "at date NOT NULL, value int",
    "a primary key and a text": "at date NOT NULL, value int, note text, PRIMARY KEY (value, at)",
}
DAYS = """
DROP TABLE IF EXISTS public.{0} CASCADE;
CREATE TABLE public.{0} ({2}) PARTITION BY RANGE (at);
DO $$
BEGIN
    FOR n IN 1..{1} LOOP
        EXECUTE format('CREATE TABLE public.{0}_%s PARTITION OF public.{0} FOR VALUES FROM (%L) TO (%L)', n,
            current_date - n, current_date - n + 1);
    END LOOP;
END $$;
"""
LOOPS = {
    "DROP TABLE of known names": "FOR n IN {2}..{1} LOOP EXECUTE 'DROP TABLE public.{0}_' || n; END LOOP;",
    "DROP TABLE of what the bounds say is old": """
    FOR n IN SELECT i.inhrelid::regclass FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'public.{0}'::regclass AND current_date - {3} >=
            (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO .''(.*)''.$'))[1]::date
    LOOP EXECUTE format('DROP TABLE %s', n); END LOOP;""",
    "DETACH and DROP": """FOR n IN {2}..{1} LOOP
        EXECUTE 'ALTER TABLE public.{0} DETACH PARTITION public.{0}_' || n; EXECUTE 'DROP TABLE public.{0}_' || n;
    END LOOP;""",
}


def standing(database: Database, name: str) -> int:
    """How many partitions a table has."""
    return int(database.value(f"SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.{name}'::regclass"))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("loop", LOOPS)
def test_retention(database: Database, loop: str, shape: str) -> None:
    """100 of 1,066 partitions found, dropped and journaled, against loops that a person would write."""
    names = ("ours", "plain")

    def before() -> None:
        for name in names:
            if not database.value("SELECT to_regclass(%s)", [f"public.{name}"]) or standing(database, name) < STANDING:
                database.execute(DAYS.format(name, STANDING, SHAPES[shape]))
        database.execute(
            "SELECT lifecycle.manage_partitions('public.ours', '1 day', retention => %s)",
            [f"{STANDING - RETIRED} partitions"],
        )

    def retire() -> None:
        if loop != "DETACH and DROP":
            database.execute("SELECT count(*) FROM lifecycle.drop_old_partitions(dry_run => false)")
            return
        database.execute(
            "SELECT count(*) FROM lifecycle.archive_old_partitions(max_partitions => 1000, dry_run => false)"
        )
        database.execute("SELECT count(*) FROM lifecycle.drop_archived_partitions(older_than => '0', dry_run => false)")

    body = LOOPS[loop].format("plain", STANDING, STANDING - RETIRED + 1, STANDING - RETIRED)
    declared = "DECLARE n regclass; " if "SELECT" in body else ""
    paired(
        f"retention of {RETIRED} of {STANDING}, {shape} / a loop of {loop}",
        retire,
        lambda: database.execute(f"DO $$ {declared}BEGIN {body} END $$"),
        goal="<= 2",
        rounds=3,
        before=before,
    )
    assert {standing(database, "ours"), standing(database, "plain")} == {
        STANDING - RETIRED,
        STANDING,
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_retention_against_pg_partman(database: Database, shape: str) -> None:
    """The same, against run_maintenance that drops them."""
    if not database.server.available("pg_partman"):
        pytest.skip("pg_partman is not installed on this server")
    database.execute("CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman")
    database.execute(DAYS.format("ours", STANDING, SHAPES[shape]))
    database.execute(f"CREATE TABLE public.theirs ({SHAPES[shape]}) PARTITION BY RANGE (at)")
    database.execute(
        f"SELECT lifecycle.manage_partitions('public.ours', '1 day', retention => '{STANDING - RETIRED} partitions')"
    )
    database.execute(
        "SELECT partman.create_parent('public.theirs', 'at', '1 day', p_premake => 1, p_default_table => false,"
        f" p_start_partition => (current_date - {STANDING})::text);"
        f"UPDATE partman.part_config SET retention = '{STANDING - RETIRED} days', retention_keep_table = false"
    )
    paired(
        f"retention of {RETIRED} of {STANDING}, {shape} / pg_partman",
        lambda: database.execute("SELECT count(*) FROM lifecycle.drop_old_partitions(dry_run => false)"),
        lambda: database.execute("SELECT partman.run_maintenance('public.theirs')"),
        goal="<= 0.02",
        rounds=1,
    )
    assert standing(database, "ours") == STANDING - RETIRED
    assert standing(database, "theirs") < STANDING - RETIRED + 10
