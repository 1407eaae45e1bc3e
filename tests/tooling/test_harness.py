"""The harness itself: databases, roles, sessions and dumps do what the other tests take for granted."""

from __future__ import annotations

import psycopg
import pytest

from harness.dump import normalise
from harness.skips import NO_SUCH, account, requires, unexpected


def test_database_holds_the_extension(database):
    assert database.value("SELECT extname FROM pg_catalog.pg_extension WHERE extname = 'pg_lifecycle'")
    assert "CREATE EXTENSION IF NOT EXISTS pg_lifecycle" in database.dump(schema_only=True)


def test_empty_database_and_clone(database):
    empty = database.empty()
    assert empty.execute("SELECT 1 FROM pg_catalog.pg_extension WHERE extname = 'pg_lifecycle'") == []
    empty.execute("CREATE TABLE public.t (a int)")
    assert empty.clone().value("SELECT count(*) FROM public.t") == 0


def test_roles_log_in_and_own(database, roles):
    alice = roles("alice")
    database.execute(f"GRANT CREATE ON SCHEMA public TO {alice}")
    alices = database.connect(alice)
    alices.execute("CREATE TABLE public.t (a int)")
    assert database.value("SELECT tableowner FROM pg_catalog.pg_tables WHERE tablename = 't'") == alice


def test_sessions_block_and_go_on(database, session, observer):
    database.execute("CREATE TABLE public.t (a int)")
    a, b = session(database, name="a"), session(database, name="b")
    a.run("BEGIN")
    a.run("LOCK TABLE public.t")
    b.start("INSERT INTO public.t VALUES (1)")
    assert observer.settle(b, [a]) == "blocked"
    assert observer.blockers(b) == [a.pid]
    assert observer.waits_for(b) == ("Lock", "relation")
    a.run("COMMIT")
    assert observer.settle(b, [a]) == "done"
    b.result()


def test_terminated_session(database, session, observer):
    a = session(database)
    a.start("SELECT pg_catalog.pg_sleep(60)")
    observer.terminate(a)
    with pytest.raises(psycopg.OperationalError):
        a.result()


def test_dump_takes_acls_as_sets(database, roles):
    alice, bob = roles("alice"), roles("bob")
    other = database.empty()
    select, insert = f"GRANT SELECT ON public.t TO {alice}", f"GRANT INSERT ON public.t TO {bob}"
    database.execute(f"CREATE TABLE public.t (); {select}; {insert}")
    other.execute(f"CREATE TABLE public.t (); {insert}; {select}")
    database.execute("DROP EXTENSION pg_lifecycle")
    assert database.dump() == other.dump()
    assert f"TO {alice};" in database.dump()


def test_dump_can_take_rows_as_sets():
    first = "COPY t (a) FROM stdin;\n2\n1\n\\.\n\\restrict abc\nSELECT 1;"
    assert normalise(first, sort_rows=True) == "COPY t (a) FROM stdin;\n1\n2\n\\.\nSELECT 1;"


def test_dump_keeps_a_grant_with_its_grantor():
    entry = "-- Name: t; Type: ACL; Schema: public; Owner: a\n"
    by_bob = "SET SESSION AUTHORIZATION bob;\nGRANT SELECT ON t TO carol;\nRESET SESSION AUTHORIZATION;\n"
    by_owner = "GRANT ALL ON t TO bob;\n"
    assert normalise(entry + by_bob + by_owner) == normalise(entry + by_owner + by_bob)
    assert "SET SESSION AUTHORIZATION bob;\nGRANT SELECT ON t TO carol;" in normalise(entry + by_bob + by_owner)
    assert normalise(entry + by_bob) != normalise(entry + "GRANT SELECT ON t TO carol;\n")


def test_dump_drops_what_changes_by_itself():
    volatile = "-- Dumped from database version 17.6\n-- Dumped by pg_dump version 17.6\n\\restrict x1Y\n"
    assert normalise(volatile + "CREATE TABLE t ();\n\\unrestrict x1Y\n") == "CREATE TABLE t ();"


def test_notices_are_kept(database):
    database.execute("DO $do$ BEGIN RAISE NOTICE 'planned only'; END $do$")
    assert database.notices == ["NOTICE: planned only"]


def test_cancelled_session(database, session):
    a = session(database)
    a.start("SELECT pg_catalog.pg_sleep(60)")
    while not a.wait(0.05):
        a.cancel()
    with pytest.raises(psycopg.errors.QueryCanceled):
        a.result()


@pytest.mark.faults
def test_databases_survive_a_crash(own_server):
    own_server.execute("CREATE TABLE public.t AS SELECT 7 AS a")
    own_server.crash()
    own_server.restart()
    assert own_server.execute("SELECT a FROM public.t") == [(7,)]


def test_skips_are_accounted_for_by_what_was_missing():
    skipped = [("one", "Skipped: needs pg_cron"), ("two", "Skipped: needs pg_cron"), ("three", "Skipped: too slow")]
    assert account(skipped) == {"pg_cron": ["one", "two"], "too slow": ["three"]}
    assert unexpected("docker:17", ["pg_cron", "timescaledb"]) == ["pg_cron"]
    assert unexpected("embedded:18", ["pg_cron"]) == []


@requires(NO_SUCH)
def test_never_runs():
    pytest.fail("the extension does not exist")
