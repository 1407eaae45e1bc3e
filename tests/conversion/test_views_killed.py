"""Materialized views, soft delete and a capture go over whole or not at all, wherever the session is killed.

And whoever refreshes a view meanwhile waits, or is waited for; nobody loses it.
"""

from __future__ import annotations

import random
import time

import psycopg
import pytest

from harness import failpoints
from harness.calls import call, rows
from harness.databases import Databases

SCENE = """
CREATE TABLE public.t (id bigint PRIMARY KEY, at timestamptz NOT NULL, v text);
INSERT INTO public.t SELECT i, '2024-01-05'::timestamptz + i * interval '1 day', 'v' || i % 5
FROM generate_series(1, 80) AS i;
SELECT FROM lifecycle.enable_soft_delete('public.t');
DELETE FROM public.active_t WHERE id = 7;
CREATE MATERIALIZED VIEW public.m AS SELECT v, count(*) AS n FROM public.t WHERE deleted_at IS NULL GROUP BY v;
CREATE UNIQUE INDEX m_v ON public.m (v);
CREATE MATERIALIZED VIEW public.m2 AS SELECT sum(n) AS n FROM public.m;
CREATE VIEW public.w AS SELECT * FROM public.m2;
SELECT FROM lifecycle.manage_materialized_view('public.m', '1 hour');
SELECT FROM lifecycle.start_capture('public.t', 'own');
SELECT FROM lifecycle.create_incremental_view('public.i', 'SELECT v, count(*) AS n FROM public.t GROUP BY v', '{v}');
SELECT FROM lifecycle.refresh_incremental_view('public.i');
"""
START = "SELECT * FROM lifecycle.start_conversion('public.t', lifecycle.by_range('at', '1 month'), 'extend')"
PHASE = "SELECT c.phase FROM lifecycle.conversion AS c WHERE c.ended_at IS NULL"
CALLS = {
    "swap": ("ready", "CALL lifecycle.swap_tables('public.t')"),
    "settle": ("swapped", "CALL lifecycle.convert_data('public.t')"),
    "rollback": ("swapped", "SELECT * FROM lifecycle.rollback_conversion('public.t', dry_run => false)"),
}
KILLS = 4
WHOLE = """
SELECT (SELECT count(*) FROM public.t), (SELECT count(*) FROM public.active_t), (SELECT sum(n) FROM public.m),
    (SELECT n FROM public.w), (SELECT count(*) FROM lifecycle._captures('public.t') WHERE consumer = 'own'),
    lifecycle._has_soft_delete('public.t'::regclass),
    (SELECT count(*) FROM lifecycle.migration WHERE feature = 'soft_delete' AND state = 'applied'
        AND target_oid = 'public.t'::regclass)
"""
# Not a rebuild: the exchange is no change to what the view rests on, whether it took place or not.
WRITE = "UPDATE public.t SET v = v WHERE id = 1"
REFRESH = "SELECT mode FROM lifecycle.refresh_incremental_view('public.i')"


def state(database):
    """What stands, as soon as the server answers again."""
    for _ in range(600):
        try:
            connection = database.connect()
            connection.execute(WRITE)
            assert rows(connection, REFRESH) == [("incremental",)]
            return rows(connection, WHOLE)
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise TimeoutError("the server does not come back")


def journey(database, seed: int, seen: dict[str, int]) -> int:
    """There and back; how often it was killed."""
    rng, killed, known = random.Random(seed), 0, dict(seen)  # noqa: S311 - a schedule, no secret
    points = failpoints.Failpoints(database.server, database.dsn(), PHASE, ("ready", "swapped"))
    rows(database.connect(), START)
    database.connect().execute("CALL lifecycle.convert_data('public.t')")
    for name, (phase, statement) in CALLS.items():
        for _ in range(KILLS if known else 0):
            if not points.call(statement, f"{phase} {rng.randint(1, known[name])}", crash=rng.random() < 0.3).killed:
                break
            killed += 1
            # Neither half here nor half there.
            assert state(database) == [(80, 79, 79, 79, 1, True, 1)], name
        else:
            outcome = points.call(statement)
            seen.setdefault(name, outcome.events.get(phase, 1))
        assert state(database) == [(80, 79, 79, 79, 1, True, 1)], name
    return killed


@pytest.mark.faults
@pytest.mark.long
def test_killed_on_the_way(own_server):
    maker = Databases(own_server, "views")
    database = maker.make(maker.make_template())
    database.execute(SCENE + failpoints.INSTALL)
    dump, seen = database.dump(schema_only=True), {}
    assert journey(database, 0, seen) == 0
    killed = journey(database, 1, seen)
    print(f"killed {killed} times; events of a run: {seen}")
    assert killed >= 6
    assert database.dump(schema_only=True) == dump


@pytest.mark.concurrency
def test_refreshed_meanwhile(database):
    """A REFRESH holds the view when the names are to change: the exchange lets go and comes again."""
    database.execute(SCENE)
    rows(database, START)
    database.execute("CALL lifecycle.convert_data('public.t')")
    database.execute("CALL lifecycle.swap_tables('public.t')")
    with database.connect() as other:
        other.execute("BEGIN; REFRESH MATERIALIZED VIEW public.m")
        database.execute("SET lifecycle.lock_attempts = 1; SET lifecycle.lock_timeout = '20'")
        with pytest.raises(Exception, match=r"lock timeout|could not obtain lock"):
            database.execute("CALL lifecycle.convert_data('public.t')")
        other.execute("INSERT INTO public.t VALUES (500, '2024-02-02', 'new'); COMMIT")
    database.execute("RESET lifecycle.lock_attempts; RESET lifecycle.lock_timeout")
    database.execute("CALL lifecycle.convert_data('public.t')")
    database.execute("REFRESH MATERIALIZED VIEW public.m; REFRESH MATERIALIZED VIEW public.m2")
    assert database.value("SELECT n FROM public.w") == 80
    call(database, "rollback_conversion", target="public.t", dry_run=False)
    assert database.value("SELECT n FROM public.w") == 80
