"""The harness itself: databases, roles, sessions and dumps do what the other tests take for granted."""

from __future__ import annotations

import psycopg
import pytest

from harness.dump import normalise


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
