"""Soft delete: the ways to mark many rows, the active view, and what a table pays for being soft-deletable."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from bench.paired import paired

from harness.calls import call
from harness.databases import Database, run

ROWS, MARKED = 1_000_000, 100_000

TABLES = f"""
CREATE TABLE public.ours (id bigint PRIMARY KEY, owner int NOT NULL, body text NOT NULL, at timestamptz NOT NULL);
INSERT INTO public.ours SELECT i, i % 1000, md5(i::text), '2024-01-01'::timestamptz + i * interval '1 second'
FROM generate_series(1, {ROWS}) AS i;
CREATE INDEX ours_owner_idx ON public.ours (owner);
"""
TWIN = """
CREATE TABLE public.raw (LIKE public.ours INCLUDING ALL);
INSERT INTO public.raw SELECT * FROM public.ours;
VACUUM ANALYZE public.ours;
VACUUM ANALYZE public.raw;
"""


@pytest.fixture
def tables(database: Database) -> Database:
    """A soft-deletable table, and a twin with the same columns and indexes and nothing else."""
    database.execute(TABLES)
    database.execute("SET lifecycle.large_table = '1000'")
    call(database, "enable_soft_delete", target="public.ours")
    for statement in (s for s in TWIN.split(";") if s.strip()):
        database.execute(statement)
    return database


def undone(connection: psycopg.Connection, statement: str) -> Callable[[], object]:
    """Runs a statement and takes it back: the next round finds the table as it was."""

    def work() -> None:
        with connection.transaction(force_rollback=True):
            run(connection, statement)

    return work


def settled(tables: Database) -> Callable[[], None]:
    """What was taken back has left its versions behind: each round begins without them."""
    connection = tables.connect()

    def work() -> None:
        for statement in ("VACUUM ours", "VACUUM raw", "CHECKPOINT"):
            run(connection, statement)

    return work


def test_marking_many_rows(tables: Database) -> None:
    connection = tables.connect()
    run(connection, "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    run(connection, "CREATE TABLE public.guarded (LIKE public.raw INCLUDING ALL)")
    run(connection, "INSERT INTO guarded SELECT * FROM raw")
    run(
        connection,
        "CREATE TRIGGER nothing BEFORE UPDATE OF at ON guarded FOR EACH ROW WHEN (false) EXECUTE FUNCTION nothing()",
    )
    raw = undone(
        connection,
        f"UPDATE raw SET deleted_at = now(), deletion_id = 1 WHERE id % {ROWS // MARKED} = 0 AND deleted_at IS NULL",
    )
    for title, goal, ours in (
        ("soft_delete_where", "<= 1.10", f"SELECT lifecycle.soft_delete_where('ours', 'id % {ROWS // MARKED} = 0')"),
        (
            "UPDATE ... SET deleted_at",
            "as it is",
            f"UPDATE ours SET deleted_at = now() WHERE id % {ROWS // MARKED} = 0",
        ),
        (
            "UPDATE, beside a row trigger that never fires,",
            "the floor of any guarded table",
            f"UPDATE guarded SET deleted_at = now(), deletion_id = 1 WHERE id % {ROWS // MARKED} = 0",
        ),
    ):
        paired(
            f"{title}, {MARKED} of {ROWS} rows / raw UPDATE",
            undone(connection, ours),
            raw,
            goal=goal,
            rounds=9,
            before=settled(tables),
        )


def test_interception(tables: Database) -> None:
    connection = tables.connect()
    few = MARKED // 10
    raw = undone(connection, f"UPDATE raw SET deleted_at = now(), deletion_id = 1 WHERE id <= {few}")
    paired(
        f"DELETE FROM the view, {few} rows / raw UPDATE",
        undone(connection, f"DELETE FROM active_ours WHERE id <= {few}"),
        raw,
        goal="as it is",
        rounds=3,
    )
    call(tables, "enable_soft_delete", target="public.ours", intercept=True)
    for title, other in (
        ("raw UPDATE", raw),
        ("raw DELETE", undone(connection, f"DELETE FROM raw WHERE id <= {few}")),
    ):
        paired(
            f"DELETE FROM an intercepted table, {few} rows / {title}",
            undone(connection, f"DELETE FROM ours WHERE id <= {few}"),
            other,
            goal="as it is",
            rounds=3,
        )


def test_one_row(tables: Database) -> None:
    connection = tables.connect()
    for title, ours in (
        ("soft_delete_ours(id)", "SELECT soft_delete_ours(7)"),
        ("DELETE FROM the view", "DELETE FROM active_ours WHERE id = 7"),
        ("UPDATE", "UPDATE ours SET deleted_at = now() WHERE id = 7"),
    ):
        paired(
            f"{title}, one row / raw UPDATE",
            undone(connection, ours),
            undone(connection, "UPDATE raw SET deleted_at = now(), deletion_id = 1 WHERE id = 7"),
            goal="as it is",
            rounds=51,
        )


def test_active_view(tables: Database) -> None:
    connection = tables.connect()
    for relation in ("ours", "raw"):
        run(connection, f"UPDATE {relation} SET deleted_at = now() WHERE id % 10 = 0")
    tables.execute("VACUUM ANALYZE ours")

    def reading(source: str) -> Callable[[], object]:
        def work() -> None:
            for owner in range(200):
                run(connection, f"SELECT count(*), max(at) FROM {source} owner = {owner}")

        return work

    paired(
        "200 reads through the view / predicate by hand",
        reading("active_ours WHERE"),
        reading("ours WHERE deleted_at IS NULL AND"),
        goal="<= 1.05 (0.95 of its speed)",
    )


def test_ordinary_writes(tables: Database) -> None:
    connection = tables.connect()

    def writing(relation: str) -> Callable[[], object]:
        return undone(connection, "; ".join(f"UPDATE {relation} SET body = 'x' WHERE id = {i}" for i in range(1, 1001)))

    paired("1000 ordinary UPDATEs / on the raw table", writing("ours"), writing("raw"), goal="<= 1.10")


LOOPS = {
    "by key": "WITH b AS MATERIALIZED (SELECT id FROM {0} WHERE deletion_id IS NOT NULL AND deleted_at < now() - "
    "interval '90 days' LIMIT 5000 FOR UPDATE SKIP LOCKED) DELETE FROM {0} AS r USING b WHERE r.id = b.id",
    "by place": "DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {0} WHERE deletion_id IS NOT NULL AND "
    "deleted_at < now() - interval '90 days' LIMIT 5000 FOR UPDATE SKIP LOCKED))",
}
# The rival is a loop on the same table, with the triggers that make it soft-deletable; the other figure says what these
# cost: PostgreSQL locks each row before it asks a row trigger, also one that does not fire.
RIVALS = {"the same table": ("same", "<= 1.11 (0.9 of its speed)"), "a table without soft delete": ("raw", "as it is")}


@pytest.mark.parametrize("loop", list(LOOPS))
def test_purge(tables: Database, loop: str) -> None:
    """All rows to the end, with a COMMIT after each batch; they are put back for the next round."""
    connection = tables.connect()
    tables.execute("CREATE TABLE public.same AS SELECT id, owner, body, at FROM raw")
    tables.execute("ALTER TABLE same ADD PRIMARY KEY (id)")
    tables.execute("CREATE INDEX ON same (owner)")
    call(tables, "enable_soft_delete", target="public.same")
    for relation in ("same", "raw"):
        run(
            connection,
            f"CREATE PROCEDURE public.purge_{relation}() LANGUAGE plpgsql AS $$DECLARE n bigint; BEGIN LOOP "
            f"{LOOPS[loop].format(relation)}; GET DIAGNOSTICS n = ROW_COUNT; COMMIT; EXIT WHEN n = 0; END LOOP; END$$",
        )

    def again() -> None:
        for relation in ("ours", "same", "raw"):
            run(connection, f"DELETE FROM {relation} WHERE id % {ROWS // MARKED} = 0")
            run(
                connection,
                f"INSERT INTO {relation} (id, owner, body, at, deleted_at, deletion_id) SELECT i, i % 1000, "
                "md5(i::text), '2024-01-01'::timestamptz + i * interval '1 second', now() - interval '1 year', i % 50 "
                f"FROM generate_series({ROWS // MARKED}, {ROWS}, {ROWS // MARKED}) AS i",
            )
            run(connection, f"VACUUM ANALYZE {relation}")
        run(connection, "CHECKPOINT")

    for title, (relation, goal) in RIVALS.items():
        paired(
            f"purge_deleted, {MARKED} of {ROWS} rows / the loop by hand, {loop}, on {title}",
            lambda: run(connection, "CALL lifecycle.purge_deleted('ours', '90 days', dry_run => false)"),
            lambda relation=relation: run(connection, f"CALL purge_{relation}()"),
            goal=goal,
            rounds=5,
            before=again,
        )
