"""A refresh that is killed, at each place where it can be: it has changed nothing, and the next one brings all."""

from __future__ import annotations

import pytest

from harness.calls import rows
from harness.databases import Database, Databases
from harness.failpoints import INSTALL, Failpoints

pytestmark = pytest.mark.long

SCENE = """
CREATE FUNCTION public.seen(n numeric) RETURNS numeric LANGUAGE plpgsql IMMUTABLE AS
    'BEGIN PERFORM failpoint.hit(); RETURN n; END';
CREATE TABLE public.sale (id int PRIMARY KEY, shop int, amount numeric);
CREATE INDEX ON public.sale (shop);
INSERT INTO public.sale SELECT g, g % 5, g FROM generate_series(1, 100) AS g;
"""
QUERY = "SELECT shop, count(*) AS sales, public.seen(sum(amount)) AS amount FROM public.sale GROUP BY shop"
REFRESH = "SELECT mode, status FROM lifecycle.refresh_incremental_view('public.v', {})"


@pytest.fixture(params=[10000, 1], ids=["one chunk", "chunks"])
def place(own_server, request):
    """A database on a server that may crash, with an incremental view whose queue, table and history are watched."""
    maker = Databases(own_server, f"kill_{request.param}")
    database = maker.make(maker.make_template())
    database.execute(INSTALL)
    database.execute(SCENE)
    database.execute("SELECT lifecycle.create_incremental_view('public.v', %s, '{shop}', at_once => true)", [QUERY])
    failpoints = Failpoints(own_server, database.dsn(), "SELECT NULL::text", [])
    failpoints.watch(
        "lifecycle_data.sale_public_v_1_queue",
        "public.v",
        "lifecycle.incremental_view",
        "lifecycle.materialized_view_refresh",
    )
    yield database, request.param, failpoints
    database.close()


def difference(database: Database) -> int:
    """How many rows of the view are not those of its query."""
    return database.value(
        f"SELECT count(*) FROM ((TABLE public.v EXCEPT ALL {QUERY}) UNION ALL ({QUERY} EXCEPT ALL TABLE public.v)) AS d"
    )


@pytest.mark.faults
def test_killed_at_every_event(place):
    database, max_rows, failpoints = place
    at, stages = 0, 0
    while True:
        at += 1
        database.execute("UPDATE public.sale SET amount = amount + 1 WHERE shop < 2")
        database.execute("DELETE FROM public.sale WHERE id = %s", [at])
        before = rows(database, "SELECT * FROM public.v ORDER BY shop")
        history = database.value("SELECT count(*) FROM lifecycle.materialized_view_refresh")
        outcome = failpoints.call(REFRESH.format(max_rows), f"none {at}", crash=True)
        if not outcome.killed:
            break
        stages += 1
        database.close()
        assert rows(database, "SELECT * FROM public.v ORDER BY shop") == before
        assert database.value("SELECT count(*) FROM lifecycle.materialized_view_refresh") == history
        assert difference(database) > 0
        if at % 2:
            assert rows(database, REFRESH.format(10000)) == [("incremental", "refreshed")]
            assert difference(database) == 0
    assert outcome.rows == [("incremental", "refreshed")]
    assert difference(database) == 0
    assert stages >= 5, "drain, computing, merge, clocks and history have been reached"
