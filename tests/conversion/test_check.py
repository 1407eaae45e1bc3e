"""pre_migration_check: each finding, and nothing found where all is well."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

LEVELS = "lifecycle.by_range('at', '1 month')"
TABLE = """
CREATE TABLE public.t (id int PRIMARY KEY, at timestamptz NOT NULL, site text, UNIQUE (id, at));
INSERT INTO public.t SELECT i, '2024-01-01'::timestamptz + i * interval '1 day', 's' || i % 3
FROM generate_series(1, 90) AS i;
ANALYZE public.t;
"""


def check(place, target="public.t", levels=LEVELS, keys="extend", foreign="refuse"):
    query = f"SELECT * FROM lifecycle.pre_migration_check(%s, {levels}, %s, %s)"
    return rows(place, query, [target, keys, foreign])


def said(place, severity=None, **more):
    """(object, finding) of each finding of a severity."""
    return {(o, f) for s, o, f, _, _ in check(place, **more) if severity in (None, s)}


# What is done to the table; severity, object, beginning of the finding.
FINDINGS = {
    "unlogged": ("ALTER TABLE t SET UNLOGGED", "error", "table public.t", "is unlogged"),
    "inherited": ("CREATE TABLE c () INHERITS (t)", "error", "table public.t", "is part of a table inheritance"),
    "forced": (
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
        "error",
        "table public.t",
        "row security hides rows from the caller",
    ),
    "no key": (
        "ALTER TABLE t DROP CONSTRAINT t_pkey, DROP CONSTRAINT t_id_at_key",
        "error",
        "table public.t",
        "has no key that tells its rows apart",
    ),
    "another key": (
        "ALTER TABLE t DROP CONSTRAINT t_pkey; CREATE UNIQUE INDEX i ON t (id)",
        "ok",
        "table public.t",
        "its rows are told apart by index",
    ),
    "null keys": (
        "ALTER TABLE t ALTER at DROP NOT NULL; UPDATE t SET at = NULL WHERE id < 3",
        "error",
        "table column public.t.at",
        "may be NULL: 2 rows are",
    ),
    "nullable key": (
        "ALTER TABLE t ALTER at DROP NOT NULL",
        "warning",
        "table column public.t.at",
        "may be NULL: 0 rows are",
    ),
    "widened": ("", "warning", "table constraint t_pkey on public.t", "becomes unique only together with at"),
    "holds keys": ("", "ok", "table constraint t_id_at_key on public.t", "holds the partition keys"),
    "unique expression": (
        "CREATE UNIQUE INDEX e ON t (lower(site), id) WHERE id > 5",
        "warning",
        "index public.e",
        "becomes unique only together with at",
    ),
    "exclusion": (
        "ALTER TABLE t ADD EXCLUDE USING gist (tstzrange(at, at) WITH &&)",
        "error",
        "table constraint t_tstzrange_excl on public.t",
        "cannot be a constraint of the partitioned table",
    ),
    "referred": (
        "CREATE TABLE c (t_id int CONSTRAINT f REFERENCES t)",
        "error",
        "table constraint f on public.c",
        "refers to columns without the partition keys: at",
    ),
    "referred with keys": (
        "CREATE TABLE c (i int, a timestamptz, CONSTRAINT f FOREIGN KEY (i, a) REFERENCES t (id, at))",
        "ok",
        "table constraint f on public.c",
        "will refer to the partitioned table",
    ),
    "refers to itself": (
        "ALTER TABLE t ADD p int CONSTRAINT f REFERENCES t",
        "error",
        "table constraint f on public.t",
        "refers to columns without the partition keys: at",
    ),
    "not valid": (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (id > 10) NOT VALID",
        "error",
        "table constraint c on public.t",
        "was never validated",
    ),
    "no inherit": (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (id > 0) NO INHERIT",
        "error",
        "table constraint c on public.t",
        "NO INHERIT",
    ),
    "whole row": (
        "ALTER TABLE t ADD CONSTRAINT c CHECK (t.* IS NOT NULL)",
        "error",
        "table constraint c on public.t",
        "speaks of the whole row",
    ),
    "transition": (
        "CREATE TRIGGER g AFTER INSERT ON t REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION g()",
        "error",
        "trigger g on public.t",
        "is a row trigger with transition tables",
    ),
    "before row": (
        "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g()",
        "warning",
        "trigger g on public.t",
        "may not change a partition key",
    ),
    "named by trigger": (
        "CREATE TRIGGER g AFTER UPDATE ON t FOR EACH ROW EXECUTE FUNCTION g()",
        "warning",
        "trigger g on public.t",
        "will see the names of partitions",
    ),
    "published": (
        "CREATE PUBLICATION p FOR TABLE t",
        "warning",
        "publication p",
        "will publish the names of partitions",
    ),
    "published by root": (
        "CREATE PUBLICATION p FOR TABLE t WITH (publish_via_partition_root)",
        "ok",
        "publication p",
        "is kept",
    ),
    "published by schema": (
        "CREATE PUBLICATION p FOR TABLES IN SCHEMA public",
        "warning",
        "publication p",
        "publishes the new table while it is filled",
    ),
    "replica identity": (
        "ALTER TABLE t REPLICA IDENTITY FULL",
        "ok",
        "table public.t",
        "replica identity is kept on each partition",
    ),
    "clustered": ("ALTER TABLE t CLUSTER ON t_pkey", "warning", "table public.t", "its order by CLUSTER is not kept"),
    "options": ("ALTER TABLE t SET (fillfactor = 70)", "ok", "table public.t", "storage options go to each partition"),
    "statistics": ("CREATE STATISTICS s ON id, site FROM t", "ok", "statistics object public.s", "is kept"),
    "sequence": ("CREATE SEQUENCE s OWNED BY t.id", "ok", "sequence public.s", "will be owned by the new table"),
    "identity": (
        "ALTER TABLE t ALTER id ADD GENERATED ALWAYS AS IDENTITY",
        "ok",
        "sequence public.t_id_seq",
        "the identity goes on from its value in the new table",
    ),
    "policy": ("CREATE POLICY y ON t USING (true)", "ok", "policy y on public.t", "is kept"),
    "view": ("CREATE VIEW v AS SELECT id FROM t", "ok", "view public.v", "is bound to the new table in the swap"),
    "rule": (
        "CREATE RULE r AS ON DELETE TO t DO ALSO NOTHING",
        "ok",
        "rule r on public.t",
        "is bound to the new table in the swap",
    ),
    "function": (
        "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM t; END",
        "ok",
        "function public.f()",
        "is bound to the new table in the swap",
    ),
    "argument": (
        "CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT $1.id'",
        "ok",
        "function public.f(public.t)",
        "is bound to the new table in the swap",
    ),
    "set of rows": (
        "CREATE FUNCTION f() RETURNS SETOF t LANGUAGE sql AS 'SELECT * FROM t'",
        "ok",
        "function public.f()",
        "is bound to the new table in the swap",
    ),
    "used argument": (
        "CREATE FUNCTION f(t) RETURNS int LANGUAGE sql AS 'SELECT $1.id'; CREATE VIEW v AS SELECT f(t) FROM t",
        "error",
        "function public.f(public.t)",
        "uses the row type of the table, and cannot be made anew",
    ),
    "aggregate": (
        "CREATE FUNCTION f(int, t) RETURNS int LANGUAGE sql AS 'SELECT $1'; "
        "CREATE AGGREGATE a (t) (SFUNC = f, STYPE = int)",
        "error",
        "aggregate public.a(public.t)",
        "uses the row type",
    ),
    "materialized": (
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM t",
        "ok",
        "materialized view public.m",
        "is built beside and filled after the swap",
    ),
    "materialized, name taken": (
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM t; CREATE TABLE m_new ()",
        "error",
        "materialized view public.m",
        "cannot be built beside as public.m_new",
    ),
    "materialized, managed": (
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM t; SELECT lifecycle.manage_materialized_view('m', '1 hour')",
        "ok",
        "materialized view public.m",
        "keeps its refresh policy",
    ),
    "used by a materialized view": (
        "CREATE MATERIALIZED VIEW m AS SELECT id FROM t; CREATE TABLE c (x m)",
        "error",
        "table column public.c.x",
        "uses the row type",
    ),
    "published rows": (
        "CREATE PUBLICATION p FOR TABLE t WHERE (id > 5)",
        "error",
        "publication p",
        "chooses rows or columns",
    ),
    "column of row type": ("CREATE TABLE c (x t)", "error", "table column public.c.x", "uses the row type"),
    "domain over rows": ("CREATE DOMAIN d AS t", "error", "type public.d", "uses the row type"),
    "policy elsewhere": (
        "CREATE TABLE c (i int); CREATE POLICY y ON c USING (i IN (SELECT id FROM t))",
        "ok",
        "policy y on public.c",
        "is bound to the new table in the swap",
    ),
    "event trigger": (
        "CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
        "CREATE EVENT TRIGGER et ON ddl_command_end EXECUTE FUNCTION e()",
        "info",
        "event trigger et",
        "fires on our statements too",
    ),
    "captured": (
        "SELECT lifecycle.start_capture('t', 'reader')",
        "ok",
        "capture lifecycle_data.t_reader_queue",
        "consumer reader goes on with the new table",
    ),
    "space": ("", "info", "table public.t", "takes as much space again while both tables stand"),
    "time": ("", "info", "table public.t", "expected time of the copy"),
    "partitions": ("", "info", "table public.t", "3 partitions"),
}
FUNCTION = "CREATE FUNCTION g() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM TG_TABLE_NAME; RETURN NEW; END';"


def test_findings(database):
    """One table after the other in one database: what one is told, the untouched one is not."""
    database.execute(TABLE + FUNCTION)
    plain = said(database)
    for name, (statement, severity, object_name, finding) in FINDINGS.items():
        connection = database.connect(autocommit=False)
        if name == "forced":
            role = database.value("SELECT 'u' || substr(md5(random()::text), 1, 12)")
            connection.execute(f"CREATE ROLE {role}; ALTER TABLE t OWNER TO {role}")
            connection.execute(f"GRANT ALL ON SCHEMA lifecycle, public TO {role}")
            connection.execute(f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA lifecycle TO {role}")
        if statement:
            connection.execute(statement)
        if name == "forced":
            connection.execute(f"SET ROLE {role}")
        found = {(s, o, f) for s, o, f, _, _ in check(connection)}
        assert any((s, o) == (severity, object_name) and f.startswith(finding) for s, o, f in found), (name, found)
        new = {(o, f) for _, o, f in found} - plain
        assert not statement or any(o == object_name and f.startswith(finding) for o, f in new), name
        connection.rollback()
        connection.close()


def test_modes(database):
    database.execute(
        TABLE + "CREATE TABLE c (t_id int CONSTRAINT f REFERENCES t); "
        "CREATE TABLE d (t_id int CONSTRAINT f REFERENCES t, at timestamptz)"
    )
    key, far, near = (f"table constraint {n} on public.{t}" for n, t in (("t_pkey", "t"), ("f", "c"), ("f", "d")))
    assert (key, "lacks partition keys: at") in said(database, "error", keys="refuse")
    assert (key, "becomes unique only within each partition") in said(database, "warning", keys="leaf")
    assert (far, "is dropped") in said(database, "warning", foreign="drop")
    composite = said(database, foreign="composite")
    assert (far, "cannot be widened: it lacks at") in composite
    assert (near, "will refer to at too") in composite
    assert (near, "cannot be widened: the unique constraint it refers to will not be") in said(
        database, keys="leaf", foreign="composite"
    )


def test_leaves(database):
    """One partition a combination; of large tables a sample; too many is an error."""
    database.execute(TABLE)
    three = "lifecycle.by_list('site') || lifecycle.by_hash('id', 4) || lifecycle.by_range('at', '7 days')"
    assert ("table public.t", "164 partitions") in said(database, levels=three)
    many = "lifecycle.by_hash('id', 60000)"
    assert ("table public.t", "60000 partitions") in said(database, "error", levels=many)
    database.execute(
        "CREATE TABLE u (k uuid PRIMARY KEY); INSERT INTO u SELECT lifecycle._uuid_bound(d::text) FROM "
        "generate_series('2024-01-01'::timestamptz, '2024-12-31', '1 day') AS d"
    )
    by_uuid = "lifecycle.by_range('k', '1 month')"
    assert ("table public.u", "12 partitions") in said(database, target="public.u", levels=by_uuid)
    assert ("table public.u", "was never analyzed") in said(database, "warning", target="public.u", levels=by_uuid)
    by_number = "lifecycle.by_range('id', '30')"
    assert ("table public.t", "4 partitions") in said(database, levels=by_number)


def test_kinds(database, roles):
    database.execute(
        TABLE + "CREATE VIEW v AS SELECT 1; CREATE TABLE p (at date) PARTITION BY RANGE (at); CREATE TABLE p1 "
        "PARTITION OF p DEFAULT; CREATE TYPE y AS (at date); CREATE TABLE o OF y; CREATE TEMP TABLE tmp (at date)"
    )
    kinds = {
        "v": "is no table",
        "p": "is partitioned already",
        "p1": "is a partition",
        "o": "is a typed table",
        "tmp": "is a system, extension or temporary relation",
        "lifecycle.migration": "is a system, extension or temporary relation",
    }
    for name, finding in kinds.items():
        assert finding in {f for _, f in said(database, "error", target=name)}, name
    other = roles("other")
    call(database, "grant_lifecycle_admin", role_name=other)
    connection = database.connect(other)
    assert said(connection) == {("table public.t", "belongs to another role")}


def test_generated_and_unordered_keys(database):
    database.execute(
        "CREATE TABLE t (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED, p point); ANALYZE t"
    )
    assert ("table column public.t.g", "is generated") in said(
        database, "error", levels="lifecycle.by_range('g', '10')"
    )
    assert ("table column public.t.p", "type point cannot be a partition key") in said(
        database, "error", levels="lifecycle.by_list('p')"
    )


def test_others_objects(database, roles):
    """What the caller may not re-create is told beforehand."""
    alice, bob = roles("alice"), roles("bob")
    database.execute(
        TABLE + f"ALTER TABLE t OWNER TO {alice}; GRANT ALL ON t TO {bob}; GRANT CREATE ON SCHEMA public TO {bob}; "
        f"SET ROLE {bob}; CREATE VIEW v AS SELECT id FROM t; CREATE TABLE c (i int CONSTRAINT f REFERENCES t); "
        "RESET ROLE; CREATE PUBLICATION p FOR TABLE t"
    )
    call(database, "grant_lifecycle_admin", role_name=alice)
    found = said(database.connect(alice), "error", foreign="drop")
    assert ("view public.v", "belongs to another role") in found
    assert ("table constraint f on public.c", "is on a table of another role") in found
    assert ("publication p", "belongs to another role") in found


def test_activity(database, session):
    database.execute(TABLE)
    prepared = session(database, autocommit=False)
    prepared.run("UPDATE t SET site = 'x' WHERE id = 1")
    prepared.run("PREPARE TRANSACTION 'waiting ''one'")
    found = check(database)
    try:
        assert [f for f in found if f[1] == "prepared transaction 'waiting ''one'" and f[0] == "error"], found
    finally:
        database.execute("ROLLBACK PREPARED 'waiting ''one'")
    assert not [f for f in check(database) if f[1].startswith("prepared")]


def test_arguments(database):
    database.execute(TABLE)
    for keys, foreign, word in (("x", "drop", "key_mode"), ("leaf", "x", "foreign_key_mode")):
        with refused("22023", word):
            check(database, keys=keys, foreign=foreign)
    with refused("22023", "no level"):
        check(database, levels="'[]'")
    with refused("42703", "nothing"):
        check(database, levels="lifecycle.by_list('nothing')")
    with refused("42P01"):
        check(database, target="4294967295")


@pytest.mark.min_major(18)
def test_not_null_without_heirs(database):
    database.execute(TABLE + "ALTER TABLE t ADD CONSTRAINT n NOT NULL site NO INHERIT")
    assert ("table constraint n on public.t", "NO INHERIT") in said(database, "error")


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_the_index_finds_the_same_partitions(database, kind):
    """With an index each month or day is looked up: the same as of every row, also where midnight comes twice."""
    database.execute(f"CREATE TABLE public.t (id int, at {kind})")
    database.execute(
        "INSERT INTO public.t SELECT i, s.moment FROM generate_series('2010-01-01 00:30Z'::timestamptz, '2019-12-31Z', "
        "'7 hours 11 minutes') WITH ORDINALITY AS s (moment, i) WHERE i % 500 < 400 "
        "UNION ALL SELECT 0, '4321-12-31 23:59:59Z'"
    )
    found = {}
    for indexed in (False, True):
        if indexed:
            database.execute("CREATE INDEX ON public.t (at, id)")
        for zone in ("UTC", "Africa/Cairo", "America/Sao_Paulo", "Asia/Beirut", "Pacific/Apia", "America/Havana"):
            for every in ("1 month", "3 months", "1 day", "2 weeks"):
                query = (
                    "SELECT lifecycle._conversion_census('t', "
                    "lifecycle._levels(lifecycle.by_range('at', %s)), %s, 'true')"
                )
                paths = sorted(database.value(query, [every, zone]))
                assert len(paths) > 40
                assert found.setdefault((zone, every), paths) == paths
    for value in ("NULL", "'infinity'", "'-infinity'"):
        database.execute(f"INSERT INTO public.t VALUES (1, {value})")
        with refused("23514", "holds NULL or infinity"):
            database.execute(query, ["1 month", "UTC"])
        database.execute(f"DELETE FROM public.t WHERE at IS NOT DISTINCT FROM {value}")


def test_what_to_do_about_the_row_type(database):
    """What is refused for the row type is named, and the statements beside it clear the way."""
    database.execute(
        TABLE + 'CREATE TABLE c (i int, "the x" t); INSERT INTO c SELECT 1, t FROM t;'
        "CREATE FUNCTION f(int, t) RETURNS int LANGUAGE sql AS 'SELECT $1';"
        "CREATE AGGREGATE a (t) (SFUNC = f, STYPE = int)"
    )
    before = database.execute("SELECT * FROM c")
    check = (
        f"SELECT object, remedy FROM lifecycle.pre_migration_check('t', {LEVELS}, 'extend') WHERE severity = 'error'"
    )
    remedies = dict(rows(database, check))
    assert remedies.keys() >= {'table column public.c."the x"', "aggregate public.a(public.t)"}
    later = []
    for remedy in remedies.values():
        if remedy is not None:
            now, after = remedy.split("; and after the conversion", 1)
            database.execute(now)
            later += [after.removeprefix(": ")] if after.startswith(":") else []
    assert rows(database, check) == []
    rows(database, f"SELECT * FROM lifecycle.start_conversion('t', {LEVELS}, 'extend', at_once => true)")
    for statement in later:
        database.execute(statement)
    call(database, "finish_conversion", target="t", dry_run=False)
    assert database.execute("SELECT * FROM c") == before
