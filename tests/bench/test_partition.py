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
DAYS = """
CREATE TABLE public.{0} (at date NOT NULL, value int) PARTITION BY RANGE (at);
DO $$
BEGIN
    FOR n IN 1..{1} LOOP
        EXECUTE format('CREATE TABLE public.{0}_%s PARTITION OF public.{0} FOR VALUES FROM (%L) TO (%L)', n,
            current_date - n, current_date - n + 1);
    END LOOP;
END $$;
"""


def test_retention(database: Database) -> None:
    """100 of 1,066 partitions detached and dropped, each journaled, against a plain loop of DROP TABLE."""
    for name in ("ours", "plain"):
        database.execute(DAYS.format(name, STANDING))
    database.execute(
        f"SELECT lifecycle.manage_partitions('public.ours', '1 day', retention => '{STANDING - RETIRED} partitions')"
    )
    loop = f"FOR n IN {STANDING - RETIRED + 1}..{STANDING} LOOP EXECUTE 'DROP TABLE public.plain_' || n; END LOOP;"

    def retire() -> None:
        database.execute("SELECT count(*) FROM lifecycle.archive_old_partitions(dry_run => false)")
        database.execute("SELECT count(*) FROM lifecycle.drop_archived_partitions(older_than => '0', dry_run => false)")

    paired(
        f"retention of {RETIRED} of {STANDING} partitions / plain DROP loop",
        retire,
        lambda: database.execute(f"DO $$ BEGIN {loop} END $$"),
        goal="<= 2",
        rounds=1,
    )
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.ours'::regclass") == (
        STANDING - RETIRED
    )
