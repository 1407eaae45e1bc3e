"""Designs that lose changes. They run in the same harness as ours: a test that cannot fail would be noticed here."""

from __future__ import annotations

import random

import psycopg

from harness.capture_schedules import Drainer, Round
from harness.databases import run

TRIGGERS = """
CREATE TRIGGER i AFTER INSERT ON {table} REFERENCING NEW TABLE AS n
    FOR EACH STATEMENT EXECUTE FUNCTION public.{function}();
CREATE TRIGGER u AFTER UPDATE ON {table} REFERENCING OLD TABLE AS o NEW TABLE AS n
    FOR EACH STATEMENT EXECUTE FUNCTION public.{function}();
CREATE TRIGGER d AFTER DELETE ON {table} REFERENCING OLD TABLE AS o
    FOR EACH STATEMENT EXECUTE FUNCTION public.{function}();
"""
FUNCTION = """
CREATE FUNCTION public.{function}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN {old}; END IF;
    IF TG_OP <> 'DELETE' THEN {new}; END IF;
    RETURN NULL;
END $$;
"""


def triggers(table: str, function: str, statement: str) -> str:
    """Statement triggers that run one statement for the old and the new rows, given as {rows}."""
    body = FUNCTION.format(
        function=function,
        old=statement.format(rows="o"),
        new=statement.format(rows="n"),
    )
    return body + TRIGGERS.format(table=table, function=function)


def no_truncate(make):  # type: ignore[no-untyped-def]
    """The unsafe designs do not see TRUNCATE: they shall lose by their own flaw."""

    def operations(rng: random.Random) -> str:
        while "TRUNCATE" in (statement := make(rng)):
            pass
        return statement

    return operations


def rewrite(connection: psycopg.Connection, ids: list[int] | None) -> None:
    """Brings the copy in step for some ids."""
    run(connection, "DELETE FROM public.copy WHERE id = ANY (%s)", [ids])
    run(
        connection,
        "INSERT INTO public.copy SELECT * FROM public.src WHERE id = ANY (%s)",
        [ids],
    )


UP_TO_MAX = "CREATE TABLE public.q (seq bigserial PRIMARY KEY, id int);" + triggers(
    "public.src", "queue_keys", "INSERT INTO public.q (id) SELECT r.id FROM {rows} AS r"
)


def up_to_max(connection: psycopg.Connection) -> Round:
    """Reads the queue up to its newest entry, and later deletes up to there."""
    run(connection, "BEGIN")
    yield
    ((newest, ids),) = run(connection, "SELECT max(seq), array_agg(id) FROM public.q")
    yield
    rewrite(connection, ids)
    yield
    run(connection, "DELETE FROM public.q WHERE seq <= %s", [newest])
    yield
    run(connection, "COMMIT")


DEDUPLICATED = "CREATE TABLE public.q (id int PRIMARY KEY);" + triggers(
    "public.src",
    "queue_keys",
    "INSERT INTO public.q SELECT DISTINCT r.id FROM {rows} AS r ON CONFLICT DO NOTHING",
)


def deduplicated(connection: psycopg.Connection) -> Round:
    """Drains correctly, but from a queue that holds each key once."""
    run(connection, "BEGIN")
    yield
    ((ids,),) = run(
        connection,
        "WITH d AS (DELETE FROM public.q RETURNING id) SELECT array_agg(id) FROM d",
    )
    yield
    rewrite(connection, ids)
    yield
    run(connection, "COMMIT")


MIRROR = """
CREATE FUNCTION public.mirror() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN DELETE FROM public.copy WHERE id = OLD.id; END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO public.copy SELECT NEW.* ON CONFLICT (id) DO UPDATE SET grp = excluded.grp, val = excluded.val;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER mirror AFTER INSERT OR UPDATE OR DELETE ON public.src FOR EACH ROW EXECUTE FUNCTION public.mirror();
"""


def mirror() -> Drainer:
    """Copies once, in ranges and without row locks, while triggers write every change to the copy."""
    ranges = iter(range(0, 40, 2))

    def round_(connection: psycopg.Connection) -> Round:
        for low in ranges:
            run(
                connection,
                "INSERT INTO public.copy SELECT * FROM public.src WHERE id BETWEEN %s AND %s"
                " ON CONFLICT (id) DO NOTHING",
                [low, low + 1],
            )
            yield
        yield

    return round_
