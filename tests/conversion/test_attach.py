"""attach_existing: the old table becomes the first partition, and a rollback takes it out again with all rows."""

from __future__ import annotations

import pytest

from harness.calls import Step, call, refused, rows
from harness.fingerprint import table_facts

TABLE = """
CREATE TABLE public.dim (id int PRIMARY KEY);
INSERT INTO public.dim VALUES (1), (2);
CREATE TABLE public.t (
    id bigserial CONSTRAINT t_pkey PRIMARY KEY, at timestamptz NOT NULL, dim int NOT NULL DEFAULT 1 REFERENCES dim,
    v text, CONSTRAINT t_v UNIQUE (v), CONSTRAINT t_c CHECK (v <> '')
);
INSERT INTO public.t (at, v) SELECT '2024-01-20'::timestamptz + i * interval '1 day', 'v' || i
FROM generate_series(1, 60) AS i;
CREATE INDEX t_at ON public.t (at);
CREATE UNIQUE INDEX t_lower ON public.t (lower(v)) WHERE id > 5;
CREATE TABLE public.changed (n int);
CREATE FUNCTION public.count_change() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN INSERT INTO public.changed VALUES (1); RETURN NULL; END';
CREATE TRIGGER g AFTER INSERT OR UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.count_change();
CREATE VIEW public.w AS SELECT id, v FROM public.t WHERE id > 2;
CREATE VIEW public.x AS SELECT count(*) AS n FROM public.w;
CREATE PUBLICATION p FOR TABLE public.t WITH (publish_via_partition_root);
CREATE FUNCTION public.f(public.t) RETURNS bigint LANGUAGE sql AS 'SELECT ($1).id';
CREATE FUNCTION public.all_of_t() RETURNS SETOF public.t LANGUAGE sql AS 'SELECT * FROM t';
CREATE FUNCTION public.a() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM public.t; END;
CREATE RULE r AS ON DELETE TO public.t WHERE OLD.id < 0 DO INSTEAD NOTHING;
CREATE TABLE public.guarded (i int);
CREATE POLICY y ON public.guarded USING (i IN (SELECT id FROM public.t));
COMMENT ON RULE r ON public.t IS 'the rule';
COMMENT ON TABLE public.t IS 'the table';
COMMENT ON CONSTRAINT t_pkey ON public.t IS 'the key';
GRANT SELECT ON public.t TO PUBLIC;
ANALYZE public.t;
"""
LEVELS = "lifecycle.by_range('at', '1 month')"


def attach(place, **more):
    given = {"key_mode": "extend", "attach_existing": True, "time_zone": "UTC"} | more
    named = ", ".join(f"{key} => %s" for key in given)
    statement = f"SELECT * FROM lifecycle.start_conversion('public.t', {LEVELS}, {named})"
    return [Step(*row) for row in rows(place, statement, list(given.values()))]


def finish(database):
    """What is left, the top-level statements by hand."""
    pending = rows(database, "SELECT statement FROM lifecycle.pending_steps() WHERE note LIKE 'top level%%'")
    for (statement,) in pending:
        database.execute(statement)
    database.execute("CALL lifecycle.run_pending()")


def test_there_and_back(database):
    database.execute(TABLE)
    before, facts = database.dump(schema_only=True), table_facts(database, "public")
    node = database.value("SELECT pg_relation_filenode('public.t')")
    planned = attach(database, dry_run=True)
    assert database.dump(schema_only=True) == before
    attach(database, expected_plan=planned[0].plan_hash)
    with refused("23514"):
        database.execute("INSERT INTO t (at, v) VALUES ('2001-01-01', 'old')")
    finish(database)
    assert database.value("SELECT pg_relation_filenode('public.t_old')") == node, "no row was copied"
    assert database.value("SELECT relkind FROM pg_class WHERE oid = 'public.t'::regclass") == "p"
    assert database.value("SELECT count(*) FROM t") == 60
    lost = {(kind, name) for kind, name, _ in facts - table_facts(database, "public")}
    assert lost == {
        ("constraint", "table constraint t_pkey on public.t"),
        ("constraint", "table constraint t_v on public.t"),
        ("index", "index public.t_lower"),
    }
    ahead = database.value(
        "SELECT max(upper_bound)::timestamptz - interval '1 hour' FROM lifecycle.check_partition_sizes('t')"
    )
    database.execute("INSERT INTO t (at, v) VALUES ('2024-02-02', 'new'), (%s, 'ahead')", [ahead])
    database.execute("UPDATE t SET v = 'changed' WHERE v = 'v7'")
    assert database.value("SELECT count(*) FROM changed") == 3
    assert database.value("SELECT n FROM x") == 60
    assert database.value("SELECT a() + (SELECT count(*) FROM all_of_t()) + (SELECT max(t.f) FROM t)") > 2 * 62
    shown = call(database, "rollback_conversion", target="t")
    call(database, "rollback_conversion", target="t", dry_run=False)
    assert len(shown) > 10
    assert database.value("SELECT count(*) FROM t") == 62
    assert database.value("SELECT count(*) FROM t WHERE v IN ('ahead', 'new', 'changed')") == 3
    assert facts ^ table_facts(database, "public") == set()
    assert database.dump(schema_only=True) == before


def test_at_once(database):
    """Everything in one transaction, for small tables."""
    database.execute(TABLE)
    before = database.dump(schema_only=True)
    done = attach(database, at_once=True)
    assert {step.status for step in done} == {"done"}
    assert database.value("SELECT relkind FROM pg_class WHERE oid = 'public.t'::regclass") == "p"
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert database.dump(schema_only=True) == before


def test_rollback_before_the_swap(database):
    database.execute(TABLE)
    before = database.dump(schema_only=True)
    attach(database)
    for (statement,) in rows(database, "SELECT statement FROM lifecycle.pending_steps() WHERE note LIKE 'top level%%'"):
        database.execute(statement)
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert database.dump(schema_only=True) == before


REFUSED = {
    "foreign key f": "CREATE TABLE c (i bigint CONSTRAINT f REFERENCES t)",
    "materialized view public.m": "CREATE MATERIALIZED VIEW m AS SELECT id FROM t",
    "replica identity": "ALTER TABLE t REPLICA IDENTITY USING INDEX t_pkey",
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_it_cannot_keep_is_refused(database, reason):
    database.execute(TABLE + REFUSED[reason])
    with refused("0A000", reason, "attach_existing"):
        attach(database)


def test_modes_and_names(database):
    database.execute(TABLE)
    for more in ({"key_mode": "leaf"}, {"foreign_key_mode": "composite"}):
        with refused("0A000", *more.values()):
            attach(database, **more)
    with refused("22023", "predicate"):
        attach(database, predicate="true")
    with refused("42P07", "public.dim", "old_name"):
        attach(database, old_name="dim")


def test_split_afterwards(database):
    """The old table, one partition now, is cut into months in the background."""
    database.execute(TABLE)
    attach(database, at_once=True, old_name="t_before")
    database.execute("SELECT * FROM lifecycle.split_partition('t_before', every => '1 month')")
    assert database.value("SELECT count(*) FROM t") == 60
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 't'::regclass") > 5
    assert database.value("SELECT count(*) FROM t_2024_02") == 29


@pytest.mark.parametrize("at_once", [False, True])
def test_identity(database, roles, at_once):
    """The identity goes over to the table that has the name, and back, with its value, options and rights."""
    database.execute(
        TABLE + "ALTER TABLE t ADD n int GENERATED ALWAYS AS IDENTITY (START 500 INCREMENT 5 CACHE 3);"
        f"GRANT SELECT ON SEQUENCE t_n_seq TO {roles('reader')}; COMMENT ON SEQUENCE t_n_seq IS 'numbers';"
        'ALTER TABLE t ADD "a b" bigint GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME "own seq")'
    )
    before, facts = database.dump(schema_only=True), table_facts(database, "public")
    last = database.value("SELECT max(n) FROM t")
    attach(database, at_once=at_once)
    if not at_once:
        finish(database)
    insert = "INSERT INTO t (id, at) VALUES (%s, now() + interval '%s months') RETURNING n, \"a b\""
    numbers = [database.execute(insert % (i, i - 5000))[0] for i in (5000, 5001, 5002, 5003)]
    assert [n for n, _ in numbers] == sorted(n for n, _ in numbers)
    assert numbers[0][0] > last
    with refused("428C9"):
        database.execute("INSERT INTO t (id, at, n) VALUES (6000, now(), 1)")
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert database.dump(schema_only=True) == before
    assert table_facts(database, "public") == facts
    assert database.execute("INSERT INTO t (id, at) VALUES (7000, now()) RETURNING n")[0][0] > numbers[-1][0]
