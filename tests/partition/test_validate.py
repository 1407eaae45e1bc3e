"""validate_partitions: one row a finding, with the statement that mends it."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

MADE = """
CREATE TABLE public.m (at date NOT NULL, id int, note text) PARTITION BY RANGE (at);
CREATE INDEX ON public.m (id);
CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER tr BEFORE INSERT ON public.m FOR EACH ROW EXECUTE FUNCTION public.f();
SELECT lifecycle.manage_partitions('public.m', '1 month', premake => 3);
SELECT lifecycle.ensure_future_partitions();
"""
EACH = (
    "DO $$ DECLARE r regclass; BEGIN"
    " FOR r IN SELECT relid FROM pg_partition_tree('public.m') WHERE isleaf LOOP {} END LOOP; END $$;"
)


def each(statement):
    """A statement for every leaf."""
    return EACH.format(f"EXECUTE format('{statement}', r);")


def findings(place):
    return rows(place, "SELECT finding, severity, remedy FROM lifecycle.validate_partitions('public.m')")


@pytest.fixture
def metrics(database):
    database.execute("SET timezone = 'UTC';" + MADE)
    return database


def newest(database):
    return database.value("SELECT max(relid::regclass::text) FROM pg_partition_tree('public.m') WHERE isleaf")


FORCED = "ALTER TABLE public.m ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
SECURED = "CREATE POLICY x ON public.m USING (id > 0);" + each("CREATE POLICY x ON %s USING (id > 0)")
DRIFTS = {
    "owner": (
        "ALTER TABLE {leaf} OWNER TO {role}",
        "another owner than its parent",
        "warning",
    ),
    "grants": (
        "GRANT SELECT ON {leaf} TO {role}",
        "grants more than its parent",
        "error",
    ),
    "grants to public": (
        "GRANT SELECT ON {leaf} TO PUBLIC",
        "grants more than its parent",
        "error",
    ),
    "grants lacking": (
        "GRANT SELECT ON public.m TO {role}",
        "grants less than its parent",
        "info",
    ),
    "column grants": (
        "GRANT SELECT (id) ON {leaf} TO {role}",
        "grants more than its parent",
        "error",
    ),
    "column grants lacking": (
        "GRANT SELECT (id) ON public.m TO {role}",
        "grants less than its parent",
        "info",
    ),
    "row security": (
        "ALTER TABLE public.m ENABLE ROW LEVEL SECURITY",
        "no row security, unlike its parent",
        "error",
    ),
    "row security forced": (
        FORCED + each("ALTER TABLE %s ENABLE ROW LEVEL SECURITY"),
        "no row security for its owner, unlike its parent",
        "warning",
    ),
    "policy lacking": (
        "CREATE POLICY x ON public.m USING (id > 0)",
        "lacks a policy of its parent",
        "warning",
    ),
    "policy of its own": (
        "CREATE POLICY x ON {leaf} USING (true)",
        "has a policy that its parent has not",
        "warning",
    ),
    "policy changed": (
        SECURED + "ALTER POLICY x ON {leaf} USING (id > -1)",
        "has another policy than its parent",
        "warning",
    ),
    "policy for others": (
        SECURED + "ALTER POLICY x ON {leaf} TO {role}",
        "has another policy than its parent",
        "warning",
    ),
    "replica identity": (
        "ALTER TABLE public.m REPLICA IDENTITY FULL",
        "another replica identity than its parent",
        "warning",
    ),
    "replica identity by index": (
        "CREATE UNIQUE INDEX u ON public.m (at); ALTER TABLE public.m REPLICA IDENTITY USING INDEX u",
        "another replica identity than its parent",
        "warning",
    ),
    "storage options": (
        "ALTER TABLE {leaf} SET (fillfactor = 70)",
        "other storage options than its siblings",
        "info",
    ),
    "storage options lacking": (
        each("ALTER TABLE %s SET (fillfactor = 70, autovacuum_enabled = false)")
        + "ALTER TABLE {leaf} RESET (fillfactor)",
        "other storage options than its siblings",
        "info",
    ),
    "storage options of TOAST": (
        "ALTER TABLE {leaf} SET (toast.autovacuum_enabled = false)",
        "other storage options than its siblings",
        "info",
    ),
    "unlogged": (
        "ALTER TABLE {leaf} SET UNLOGGED",
        "is UNLOGGED, unlike its siblings",
        "warning",
    ),
    "statistics targets": (
        "ALTER TABLE ONLY public.m ALTER COLUMN note SET STATISTICS 500",
        "another statistics target than its parent",
        "info",
    ),
    "column storage": (
        "ALTER TABLE {leaf} ALTER COLUMN note SET STORAGE EXTERNAL",
        "another column storage than its parent",
        "info",
    ),
    "compression": (
        "ALTER TABLE {leaf} ALTER COLUMN note SET COMPRESSION pglz",
        "another compression than its parent",
        "info",
    ),
    "comment": (
        "COMMENT ON TABLE public.m IS 'it''s';"
        + each("COMMENT ON TABLE %s IS ''it''''s''")
        + "COMMENT ON TABLE {leaf} IS NULL",
        "lacks the comment of its parent",
        "info",
    ),
    "publication": (
        "CREATE PUBLICATION pub;"
        + each("ALTER PUBLICATION pub ADD TABLE %s (at, id) WHERE (id > 3)")
        + "ALTER PUBLICATION pub DROP TABLE {leaf}",
        "is not published, unlike its siblings",
        "warning",
    ),
    "state of a trigger": (
        "ALTER TABLE {leaf} DISABLE TRIGGER tr",
        "a trigger is in another state than at its parent",
        "error",
    ),
    "trigger": (
        each('CREATE TRIGGER "x ON y" AFTER INSERT ON %s FOR EACH STATEMENT EXECUTE FUNCTION public.f()')
        + 'DROP TRIGGER "x ON y" ON {leaf}',
        "lacks a trigger of its siblings",
        "warning",
    ),
    "index": (
        'CREATE INDEX "On ly" ON ONLY public.m (note DESC, at) WHERE id > 3',
        "lacks an index of its parent",
        "error",
    ),
    "unique index": (
        "CREATE UNIQUE INDEX late ON ONLY public.m (at)",
        "lacks an index of its parent",
        "error",
    ),
    "primary key": (
        "ALTER TABLE ONLY public.m ADD CONSTRAINT k UNIQUE (at, id)",
        "lacks an index of its parent",
        "error",
    ),
    "constraint": (
        "ALTER TABLE public.m ADD CONSTRAINT k CHECK (id > 0) NOT VALID",
        "a constraint is not validated",
        "warning",
    ),
    "missing ahead": ("DROP TABLE {leaf}", "lacks partitions ahead", "error"),
    "gap": (
        "CREATE TABLE public.old PARTITION OF public.m FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
        "has a gap between its partitions",
        "warning",
    ),
}


def test_what_is_not_partitioned_is_not_called_well(database):
    database.execute(
        "CREATE TABLE public.plain (id int); CREATE TABLE public.m (day date) PARTITION BY RANGE (day);"
        "CREATE TABLE public.p PARTITION OF public.m FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')"
    )
    for function in ("validate_partitions", "analyze_all_partitions"):
        with refused("42809", "public.plain is a table", "safe_migrate_table('public.plain', ...)"):
            database.execute(f"SELECT * FROM lifecycle.{function}('public.plain')")
        with refused("42809", "public.p is a table", "It is a partition of public.m: name that."):
            database.execute(f"SELECT * FROM lifecycle.{function}('public.p')")
    with refused("42809", "public.m is no partition", "lifecycle.check_partition_sizes('public.m') lists its"):
        call(database, "detach_partition", target="public.m")
    with refused("42809", "public.plain is no partition", "attached to a partitioned one"):
        call(database, "detach_partition", target="public.plain")


def test_every_drift_is_found_and_mended(metrics, roles):
    """Each drift on the same fresh set: what is found is it alone, and its remedy makes it go."""
    role, leaf = roles("other"), newest(metrics)
    connection = metrics.connect(autocommit=False)
    assert findings(connection) == []
    for drift, (damage, finding, severity) in DRIFTS.items():
        with connection.transaction(force_rollback=True):
            connection.execute(damage.replace("{leaf}", leaf).replace("{role}", role))
            found = findings(connection)
            assert {row[:2] for row in found} == {(finding, severity)}, drift
            for _, _, remedy in found:
                connection.execute(remedy)
            assert findings(connection) == [], drift


def test_tablespace(metrics):
    metrics.execute("SET allow_in_place_tablespaces = true")
    metrics.execute("CREATE TABLESPACE \"Old & slow\" LOCATION ''")
    try:
        metrics.execute('ALTER TABLE public.m SET TABLESPACE "Old & slow"')
        found = findings(metrics)
        assert {row[:2] for row in found} == {("in another tablespace than its parent", "info")}
        for _, _, remedy in found:
            metrics.execute(remedy)
        assert findings(metrics) == []
    finally:
        metrics.execute("DROP TABLE public.m")
        metrics.execute('DROP TABLESPACE "Old & slow"')


def test_an_index_not_valid(metrics):
    metrics.execute(
        "UPDATE pg_index SET indisvalid = false WHERE indrelid = %s::regclass",
        [newest(metrics)],
    )
    ((finding, severity, remedy),) = findings(metrics)
    assert (finding, severity) == ("is not valid", "error")
    metrics.execute(remedy)
    assert findings(metrics) == []


def test_what_takes_a_decision(metrics):
    metrics.execute(
        "CREATE TABLE public.rest PARTITION OF public.m DEFAULT; INSERT INTO public.m VALUES ('1999-01-01')"
    )
    assert findings(metrics) == [
        ("the default partition is not empty", "warning", "CALL lifecycle.drain_default_partition('public.m')")
    ]


def test_too_many_locks(metrics):
    locks = 2 * 5  # a root and four months, each with an index
    for slots, found in ((2 * locks, []), (2 * locks - 2, ["a query that prunes nothing takes too many locks"])):
        metrics.execute(
            "CREATE OR REPLACE FUNCTION lifecycle._lock_slots() RETURNS bigint LANGUAGE sql STABLE"
            f" AS 'SELECT {slots}::bigint'"
        )
        assert [row[0] for row in findings(metrics)] == found


def test_a_remainder_without_a_partition(database):
    database.execute("CREATE TABLE public.h (id int) PARTITION BY HASH (id)")
    database.execute("SELECT lifecycle.create_hash_partitions('public.h', 4); DROP TABLE public.h_h1")
    lacks = "SELECT severity, detail, remedy FROM lifecycle.validate_partitions('public.h') WHERE finding ~ 'hash'"
    database.execute("SELECT lifecycle.create_hash_partitions('public.h', 4)")
    assert database.execute(lacks) == []
    database.execute("DROP TABLE public.h_h1")
    ((severity, detail, remedy),) = database.execute(lacks)
    assert (severity, detail) == ("error", "1 of 4 remainders have no partition: their rows are refused")
    database.execute(remedy)
    assert database.execute(lacks) == []
    database.execute(
        "DROP TABLE public.h_h1; CREATE TABLE public.h_1 PARTITION OF public.h FOR VALUES WITH (MODULUS 8, REMAINDER 1)"
    )
    ((severity, detail, remedy),) = database.execute(lacks)
    assert (severity, detail, remedy) == ("error", "1 of 8 remainders have no partition: their rows are refused", None)


def test_two_siblings_set_no_rule(database):
    database.execute(
        "CREATE TABLE public.m (k int) PARTITION BY LIST (k);"
        "CREATE TABLE public.a PARTITION OF public.m FOR VALUES IN (1) WITH (fillfactor = 70);"
        "CREATE TABLE public.b PARTITION OF public.m FOR VALUES IN (2)"
    )
    assert findings(database) == []
