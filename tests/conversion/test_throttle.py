"""A conversion waits for those who fall behind: standbys, slots, its own queue."""

from __future__ import annotations

import contextlib
import struct

import psycopg
import pytest
from psycopg import pq

from harness.calls import refused, rows

TABLE = """
CREATE TABLE public.t (id int PRIMARY KEY, region text NOT NULL, note text);
INSERT INTO public.t SELECT i, (ARRAY['eu', 'us'])[1 + i % 2], repeat('x', 100) FROM generate_series(1, 2000) AS i;
ANALYZE public.t;
"""
START = "SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_list('region'), key_mode => 'extend')"
STATE = "SELECT phase, rows_done, queue_entries FROM lifecycle.monitor_migration()"


def begun(database):
    database.execute(TABLE)
    rows(database, START)
    convert(database, 1)


def convert(database, batches):
    database.execute("CALL lifecycle.convert_data('t', 100, max_batches => %s)", [batches])


def setting(database, name, value):
    database.execute("SELECT lifecycle.set_setting(%s, %s)", [name, value])


def state(database):
    return rows(database, STATE)[0]


def said(database, words):
    return any(words in notice for notice in database.notices)


class Receiver:
    """A standby, as far as the server can tell: it receives WAL and says what it has applied."""

    def __init__(self, dsn: str, at: str) -> None:
        self.connection = pq.PGconn.connect(f"{dsn} replication=true application_name=receiver".encode())
        if self.connection.status != pq.ConnStatus.OK:
            pytest.skip("this server lets nobody in for replication from outside")
        result = self.connection.exec_(f"START_REPLICATION PHYSICAL {at}".encode())
        assert result.status == pq.ExecStatus.COPY_BOTH, self.connection.error_message

    def applied(self, lsn: int) -> None:
        """Reports a place as written, flushed and applied."""
        self.connection.put_copy_data(struct.pack("!cQQQqc", b"r", lsn, lsn, lsn, 0, b"\0"))
        self.connection.flush()


@contextlib.contextmanager
def standby(database):
    """A receiver that is at the end of the WAL."""
    receiver = Receiver(database.dsn(), database.value("SELECT pg_current_wal_flush_lsn()::text"))
    try:
        yield receiver
    finally:
        receiver.connection.finish()


def lsn(database) -> int:
    """The end of the WAL, as a number."""
    return int(database.value("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn"))


def test_a_share_of_the_time(database, session, observer):
    """With one percent it pauses most of the time, after the first batch already; what it did is committed."""
    database.execute(TABLE)
    rows(database, START)
    setting(database, "conversion_share", "1")
    copier = session(database, name="copier").start("CALL lifecycle.convert_data('t', 100)")
    while observer.waits_for(copier) != ("Timeout", "PgSleep"):
        assert not copier.done
    assert state(database)[1] > 0
    copier.cancel()
    assert database.value("SELECT lifecycle._conversion_pause('1 second', '1 second')") == 11
    setting(database, "conversion_share", "25")
    assert database.value("SELECT lifecycle._conversion_pause('1 second', '2 seconds')") == 7
    setting(database, "conversion_share", "100")
    assert database.value("SELECT lifecycle._conversion_pause('1 second', '2 seconds')") == 1


def test_a_standby_that_is_behind(database):
    begun(database)
    setting(database, "conversion_max_lag", "1")
    database.execute("SET synchronous_commit = on")
    replication = "SELECT {} FROM pg_stat_replication WHERE application_name = 'receiver'"
    lag = replication.format("max(extract(epoch FROM replay_lag) * 1000)")
    with standby(database) as receiver:
        # Each time there is more to apply, and it says so late; the server has heard it before anybody looks.
        while (database.value(lag) or 0) <= 1:
            database.execute("SELECT pg_logical_emit_message(true, 'test', repeat('x', 1000))")
            place = lsn(database)
            database.execute("SELECT count(*) FROM generate_series(1, 100000)")
            receiver.applied(place)
            while database.value(replication.format("coalesce(max(replay_lsn - '0/0'), 0)")) < place:
                pass
        before = state(database)
        convert(database, 1)
        assert state(database) == before
        assert said(database, "the copy waits: a standby is")
    setting(database, "conversion_max_lag", "0")
    convert(database, 1)
    assert state(database)[1] > before[1]


def test_who_may_not_see_the_lag_is_told(database, roles):
    owner = roles("owner")
    database.execute(f"SELECT * FROM lifecycle.grant_lifecycle_admin('{owner}')")
    database.execute(TABLE + f"ALTER TABLE t OWNER TO {owner}; GRANT CREATE ON SCHEMA public TO {owner}")
    setting(database, "conversion_max_lag", "1")
    with database.connect(owner) as connection, refused("42501", "pg_read_all_stats"):
        rows(connection, START)
        connection.execute("CALL lifecycle.convert_data('t')")


def test_a_slot_that_holds_back_wal(database):
    begun(database)
    setting(database, "conversion_max_wal", "1")
    slot = f"slot_{database.name}"
    before = state(database)
    database.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])
    try:
        database.execute("SELECT pg_logical_emit_message(false, 'test', repeat('x', 2000000))")
        convert(database, 1)
        assert state(database) == before
        assert said(database, "the copy waits: a replication slot holds back")
    finally:
        database.execute("SELECT pg_drop_replication_slot(%s)", [slot])
    convert(database, 1)
    assert state(database)[1] > before[1]


def test_a_queue_that_grows(database):
    """While rows are copied it cannot be shortened; from then on it comes first."""
    begun(database)
    database.execute("UPDATE t SET note = 'new' WHERE id <= 500")
    setting(database, "conversion_max_queue", "200")
    while state(database)[0] == "copy":
        convert(database, 1)
    assert not said(database, "the copy waits")
    entries = state(database)[2]
    assert entries >= 500
    while not said(database, "the copy waits"):
        convert(database, 1)
    built = "SELECT count(*) FROM pg_index WHERE indrelid::regclass::text LIKE 't\\_%'"
    before = database.value(built)
    convert(database, 1)
    assert database.value(built) == before
    assert state(database)[2] < entries - 100
    database.execute("CALL lifecycle.convert_data('t', 1000)")
    assert state(database)[::2] == ("ready", 0)


def test_a_pause_between_batches(database):
    """As long as was asked for, once a batch."""
    begun(database)
    ((seconds,),) = rows(
        database,
        "SELECT extract(epoch FROM clock_timestamp())",
    )
    database.execute("CALL lifecycle.convert_data('t', 100, pause => '50 milliseconds', max_batches => 4)")
    ((after,),) = rows(database, "SELECT extract(epoch FROM clock_timestamp())")
    assert after - seconds >= 4 * 0.05
    with pytest.raises(psycopg.Error, match="batch_size must be at least 1"):
        database.execute("CALL lifecycle.convert_data('t', 0)")
