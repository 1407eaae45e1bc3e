"""A new partition is like its parent in all that LIKE and ATTACH leave out, and opens nothing that the parent keeps."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, statuses

DAILY = (
    "CREATE TABLE public.metric (id int NOT NULL, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)"
)


def january(place, parent="public.metric", **more):
    return call(place, "create_monthly_partition", parent=parent, year=2026, month=1, **more)


def round_trip(database):
    """Makes January and takes it back: the schema is what it was."""
    before = database.dump(schema_only=True)
    made = january(database)
    assert "failed" not in statuses(made)
    database.execute(f"SELECT lifecycle.rollback_migration({made[0].migration_id}, dry_run => false)")
    assert database.dump(schema_only=True) == before
    return january(database)


def test_indexes_constraints_triggers_and_keys(database):
    database.execute(
        "CREATE TABLE public.place (id int PRIMARY KEY); CREATE TABLE public.metric (id int"
        " GENERATED ALWAYS AS IDENTITY,"
        " day date NOT NULL, place int REFERENCES public.place, n int DEFAULT 3 CHECK (n > 0),"
        " twice int GENERATED ALWAYS AS (n * 2) STORED, gone int, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);"
        "ALTER TABLE public.metric DROP COLUMN gone;"
        "CREATE INDEX metric_n ON public.metric (n) INCLUDE (place) WITH (fillfactor = 70) WHERE n > 5;"
        "COMMENT ON COLUMN public.metric.n IS 'how many'; CREATE STATISTICS public.s ON place, n FROM public.metric;"
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER tr BEFORE INSERT ON public.metric FOR EACH ROW EXECUTE FUNCTION public.f();"
        "CREATE TABLE public.note (id int, day date, FOREIGN KEY (id, day) REFERENCES public.metric);"
        "CREATE TABLE public.sample PARTITION OF public.metric FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')"
    )
    round_trip(database)
    facts = (
        "SELECT (SELECT count(*) FROM pg_index WHERE indrelid = t AND indisvalid),"
        " (SELECT array_agg(conname::text || contype::text ORDER BY conname) FROM pg_constraint"
        " WHERE conrelid = t AND contype <> 'n'"
        "   AND contype <> 'p'),"
        " (SELECT array_agg(tgname ORDER BY tgname) FROM pg_trigger WHERE tgrelid = t AND NOT tgisinternal),"
        " col_description(t, 4), (SELECT array_agg(attname::text || attgenerated::text ||"
        " attidentity::text ORDER BY attname)"
        "   FROM pg_attribute WHERE attrelid = t AND attnum > 0 AND NOT attisdropped AND attname <> 'n')"
        " FROM (SELECT %s::regclass AS t) AS x"
    )
    ours, theirs = (database.execute(facts, [t])[0] for t in ("public.metric_2026_01", "public.sample"))
    assert ours[:3] == theirs[:3]
    assert ours[4] == theirs[4]
    assert ours[3] == "how many"
    database.execute("INSERT INTO place VALUES (1); INSERT INTO metric (day, place) VALUES ('2026-01-01', 1)")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.execute("INSERT INTO public.metric (day, place) VALUES ('2026-01-01', 2)")
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        database.execute("INSERT INTO public.note VALUES (77, '2026-01-01')")


def test_owner_and_grants(database, roles):
    owner, reader, stranger = roles("owner"), roles("reader"), roles("stranger")
    database.execute(
        DAILY + f"; GRANT ALL ON SCHEMA public TO {owner}; ALTER TABLE public.metric OWNER TO {owner};"
        f"GRANT SELECT, INSERT ON public.metric TO {reader} WITH GRANT OPTION; GRANT UPDATE (id) ON"
        f" public.metric TO PUBLIC;"
        f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {stranger}"
    )
    round_trip(database)
    acl = (
        "SELECT pg_get_userbyid(relowner), (SELECT array_agg(a::text ORDER BY 1) FROM unnest(relacl) AS"
        " a) FROM pg_class"
    )
    ours, theirs = (database.execute(f"{acl} WHERE oid = %s::regclass", [t])[0] for t in ("metric_2026_01", "metric"))
    assert ours == theirs
    assert not database.value("SELECT has_table_privilege(%s, 'metric_2026_01', 'SELECT')", [stranger])
    assert database.value("SELECT has_column_privilege(%s, 'metric_2026_01', 'id', 'UPDATE')", [stranger])


def test_default_privileges_open_nothing(database, roles):
    stranger = roles("stranger")
    database.execute(DAILY + f"; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {stranger}, PUBLIC")
    january(database)
    assert not database.value("SELECT has_table_privilege(%s, 'metric_2026_01', 'SELECT')", [stranger])


@pytest.mark.parametrize("force", ["", ", FORCE ROW LEVEL SECURITY"])
def test_row_security_holds_in_the_partition(database, roles, force):
    alice, bob = roles("alice"), roles("bob")
    database.execute(
        "CREATE TABLE public.metric (who name, day date) PARTITION BY RANGE (day);"
        "CREATE TABLE public.friend (metric name, who name); GRANT SELECT ON public.friend TO PUBLIC;"
        f"ALTER TABLE public.metric ENABLE ROW LEVEL SECURITY{force};"
        "CREATE POLICY own ON public.metric USING (who = current_user);"
        "CREATE POLICY friends ON public.metric FOR SELECT USING (EXISTS (SELECT FROM public.friend AS f"
        " WHERE f.metric = metric.who AND f.who = current_user AND 'metric.who' <> ''));"
        f"CREATE POLICY late ON public.metric AS RESTRICTIVE FOR INSERT TO {alice} WITH CHECK (day > '2026-01-10');"
        f"GRANT SELECT, INSERT ON public.metric TO {alice}, {bob}"
    )
    round_trip(database)
    database.execute(f"INSERT INTO public.metric VALUES ('{alice}', '2026-01-02'), ('{bob}', '2026-01-03')")
    for table in ("metric", "metric_2026_01"):
        with database.connect(alice) as connection:
            assert connection.execute(f"SELECT who FROM public.{table}").fetchall() == [(alice,)]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"INSERT INTO public.{table} VALUES ('{alice}', '2026-01-04')")
    database.execute(f"INSERT INTO public.friend VALUES ('{bob}', '{alice}')")
    with database.connect(alice) as connection:
        assert len(connection.execute("SELECT who FROM public.metric_2026_01").fetchall()) == 2
    flags = "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass"
    assert database.execute(flags, ["metric_2026_01"]) == database.execute(flags, ["metric"])


def test_a_sibling_that_is_shut_stays_the_rule(database, roles):
    reader = roles("reader")
    database.execute(
        DAILY + "; CREATE TABLE public.metric_2025_12 PARTITION OF public.metric"
        " FOR VALUES FROM ('2025-12-01') TO ('2026-01-01');"
        f"ALTER TABLE public.metric_2025_12 ENABLE ROW LEVEL SECURITY; GRANT SELECT ON public.metric TO {reader}"
    )
    january(database)
    database.execute("INSERT INTO public.metric VALUES (1, '2026-01-01')")
    with database.connect(reader) as connection:
        assert connection.execute("SELECT * FROM public.metric").fetchall() != []
        assert connection.execute("SELECT * FROM public.metric_2026_01").fetchall() == []


def test_storage_of_the_newest_sibling(database):
    database.execute(
        DAILY + "; ALTER TABLE public.metric ADD t text; CREATE UNLOGGED TABLE public.metric_2025_12"
        " PARTITION OF public.metric"
        " FOR VALUES FROM ('2025-12-01') TO ('2026-01-01') WITH (fillfactor = 70, toast.autovacuum_enabled = false);"
        "CREATE TABLE public.metric_2025_11 PARTITION OF public.metric FOR VALUES FROM ('2025-11-01') TO ('2025-12-01')"
    )
    round_trip(database)
    query = (
        "SELECT c.reloptions, t.reloptions, c.relpersistence FROM pg_class AS c JOIN pg_class AS t"
        " ON t.oid = c.reltoastrelid WHERE c.oid = 'public.metric_2026_01'::regclass"
    )
    assert database.execute(query) == [(["fillfactor=70"], ["autovacuum_enabled=false"], "u")]


def test_tablespace(database):
    database.execute("SET allow_in_place_tablespaces = true")
    database.execute("CREATE TABLESPACE \"Old & slow\" LOCATION ''")
    try:
        database.execute(DAILY + '; ALTER TABLE public.metric SET TABLESPACE "Old & slow"')
        january(database)
        query = "SELECT tablespace FROM pg_tables WHERE tablename = 'metric_2026_01'"
        assert database.value(query) == "Old & slow"
    finally:
        database.execute("DROP TABLE public.metric")
        database.execute('DROP TABLESPACE "Old & slow"')


@pytest.mark.parametrize("identity", ["FULL", "NOTHING", "USING INDEX metric_unique"])
@pytest.mark.parametrize("where", ["parent", "sibling"])
def test_replica_identity(database, identity, where):
    database.execute(
        DAILY + "; CREATE UNIQUE INDEX metric_unique ON public.metric (day, id);"
        "CREATE TABLE public.\"100 %s\" PARTITION OF public.metric FOR VALUES FROM ('2025-12-01') TO ('2026-01-01')"
    )
    if where == "parent":
        database.execute(f"ALTER TABLE public.metric REPLICA IDENTITY {identity}")
    else:
        identity = identity.replace("metric_unique", '"100 %s_day_id_idx"')
        database.execute(f'ALTER TABLE public."100 %s" REPLICA IDENTITY {identity}')
    round_trip(database)
    kind = "SELECT relreplident FROM pg_class WHERE oid = 'public.metric_2026_01'::regclass"
    assert database.value(kind) == {"F": "f", "N": "n", "U": "i"}[identity[0]]
    if identity.startswith("USING"):
        index = (
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indisreplident AND indrelid ="
            " 'metric_2026_01'::regclass"
        )
        assert "(day, id)" in database.value(index)


def test_comments(database):
    database.execute(DAILY + "; COMMENT ON TABLE public.metric IS 'it''s daily'")
    round_trip(database)
    assert database.value("SELECT obj_description('public.metric_2026_01'::regclass)") == "it's daily"
    database.execute("COMMENT ON TABLE public.metric_2026_01 IS 'January'")
    call(database, "create_monthly_partition", parent="public.metric", year=2026, month=2)
    assert database.value("SELECT obj_description('public.metric_2026_02'::regclass)") is None


def test_only_the_owner(database, roles):
    admin, owner = roles("admin"), roles("owner")
    database.execute(
        DAILY + f"; GRANT ALL ON SCHEMA public TO {owner}, {admin}; ALTER TABLE public.metric OWNER TO {owner};"
        f"SELECT lifecycle.grant_lifecycle_admin('{admin}'); SELECT lifecycle.grant_lifecycle_admin('{owner}')"
    )
    with refused("42501", "must be owner of public.metric"):
        january(database.connect(admin))
    assert statuses(january(database.connect(owner)))[-1] == "done"
    assert database.value("SELECT tableowner FROM pg_tables WHERE tablename = 'metric_2026_01'") == owner


def test_a_partition_deeper_down(database):
    database.execute(
        "CREATE TABLE public.metric (p int, day date) PARTITION BY LIST (p);"
        "CREATE TABLE public.metric_7 PARTITION OF public.metric FOR VALUES IN (7) PARTITION BY RANGE (day)"
    )
    january(database, "public.metric_7")
    database.execute("INSERT INTO public.metric VALUES (7, '2026-01-05')")
    assert database.value("SELECT tableoid::regclass::text FROM public.metric") == "metric_7_2026_01"


def test_statistics_targets(database):
    database.execute(
        DAILY + "; ALTER TABLE public.metric ALTER COLUMN id SET STATISTICS 500;"
        "CREATE TABLE public.metric_2025_12 PARTITION OF public.metric"
        " FOR VALUES FROM ('2025-12-01') TO ('2026-01-01');"
        "ALTER TABLE public.metric_2025_12 ALTER COLUMN day SET STATISTICS 7"
    )
    round_trip(database)
    targets = "SELECT attstattarget FROM pg_attribute WHERE attrelid = 'metric_2026_01'::regclass AND attnum > 0"
    assert database.execute(targets + " ORDER BY attnum") == [(500,), (7,)]


def test_publications(database):
    """Published at the parent a partition needs nothing; where its newest sibling is published itself, so is it."""
    database.execute(
        DAILY + "; CREATE TABLE public.metric_2025_12 PARTITION OF public.metric"
        " FOR VALUES FROM ('2025-12-01') TO ('2026-01-01'); CREATE PUBLICATION whole FOR TABLE public.metric;"
        'CREATE PUBLICATION "Le af" FOR TABLE public.metric_2025_12 (id, day) WHERE (id > 3)'
    )
    round_trip(database)
    published = "SELECT pubname, attnames, rowfilter FROM pg_publication_tables WHERE tablename = %s ORDER BY 1"
    ours = database.execute(published, ["metric_2026_01"])
    assert [row[0] for row in ours] == ["Le af", "whole"]
    assert ours == database.execute(published, ["metric_2025_12"])


def test_states_of_triggers(database):
    database.execute(
        DAILY + "; CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER off BEFORE INSERT ON public.metric FOR EACH ROW EXECUTE FUNCTION public.f();"
        "CREATE TRIGGER always BEFORE INSERT ON public.metric FOR EACH ROW EXECUTE FUNCTION public.f();"
        "ALTER TABLE public.metric DISABLE TRIGGER off; ALTER TABLE public.metric ENABLE ALWAYS TRIGGER always"
    )
    round_trip(database)
    states = "SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'metric_2026_01'::regclass ORDER BY 1"
    assert database.execute(states) == [("always", "A"), ("off", "D")]


def test_what_is_made_has_no_drift(database, roles):
    reader = roles("reader")
    database.execute(
        DAILY
        + "; ALTER TABLE public.metric ADD note text; CREATE TABLE public.metric_2025_12 PARTITION OF public.metric"
        " FOR VALUES FROM ('2025-12-01') TO ('2026-01-01');"
        f"GRANT SELECT ON public.metric, public.metric_2025_12 TO {reader};"
        f"GRANT UPDATE (id) ON public.metric TO {reader};"
        f"GRANT UPDATE (id) ON public.metric_2025_12 TO {reader};"
        "ALTER TABLE public.metric ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "ALTER TABLE public.metric_2025_12 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON public.metric USING (metric.id > 0); CREATE POLICY p ON public.metric_2025_12"
        " USING (metric_2025_12.id > 0);"
        "ALTER TABLE public.metric REPLICA IDENTITY USING INDEX metric_pkey;"
        "ALTER TABLE public.metric_2025_12 REPLICA IDENTITY USING INDEX metric_2025_12_pkey;"
        "ALTER TABLE public.metric ALTER COLUMN note SET STATISTICS 500;"
        "COMMENT ON TABLE public.metric IS 'daily'; COMMENT ON TABLE public.metric_2025_12 IS 'daily'"
    )
    assert database.execute("SELECT * FROM lifecycle.validate_partitions()") == []
    january(database)
    call(database, "create_monthly_partition", parent="public.metric", year=2026, month=2)
    assert database.execute("SELECT * FROM lifecycle.validate_partitions()") == []
