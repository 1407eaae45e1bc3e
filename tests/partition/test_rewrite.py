"""Split, merge, drain: partitions are replaced by others with the same rows, at once or beside readers and writers."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rollback, statuses

YEAR = (
    "CREATE TABLE public.m (id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, note text DEFAULT 'x',"
    " twice bigint GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id, day), UNIQUE (note, day),"
    " CHECK (note <> 'bad')) PARTITION BY RANGE (day);"
    " CREATE INDEX m_day ON public.m (day);"
    " CREATE TABLE public.m_2025 PARTITION OF public.m FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
    " CREATE TABLE public.m_rest PARTITION OF public.m DEFAULT;"
    " INSERT INTO public.m (day, note) SELECT date '2025-01-01' + n % 365, 'n' || n FROM generate_series(1, 2000) AS n;"
    " ANALYZE public.m"
)
STAGED = "SET lifecycle.partition_rewrite_at_once = '0'"
AT_ONCE = '{"at_once": true}'
ROWS = "SELECT md5(string_agg(r::text, ',' ORDER BY r::text)), count(*) FROM public.m AS r"


def leaves(database, parent="public.m"):
    """The leaves of a table with their bounds."""
    query = (
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS i JOIN pg_class AS c"
        " ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY c.relname"
    )
    return dict(database.execute(query, [parent]))


def finish(database, target="public.m", batch=300):
    """Runs the batches of a rewrite; returns the status of each."""
    said = []
    while True:
        (step,) = database.execute("SELECT lifecycle.rewrite_partitions_step(%s, %s)", [target, batch])[0]
        said.append(step["status"])
        if said[-1] in ("nothing", "waiting"):
            return said


@pytest.fixture(params=["at once", "staged"])
def year(database, request):
    """A year of rows in one partition, and whether it is rewritten at once or in batches."""
    database.execute(YEAR)
    if request.param == "staged":
        database.execute(STAGED)
    return database


def test_split_and_back(year):
    before, rows = year.dump(schema_only=True), year.execute(ROWS)
    data = year.dump(sort_rows=True)
    shown = call(year, "split_partition", target="public.m_2025", every="3 months", dry_run=True)
    assert set(statuses(shown)) == {"planned"}
    assert year.dump(sort_rows=True) == data
    done = call(year, "split_partition", target="public.m_2025", every="3 months", expected_plan=shown[0].plan_hash)
    assert [s[1:6] for s in done] == [s[1:6] for s in shown]
    if "pending" in statuses(done):
        assert finish(year)[-2:] == ["done", "nothing"]
    assert leaves(year) == {
        "m_2025_01_01": "FOR VALUES FROM ('2025-01-01') TO ('2025-04-01')",
        "m_2025_04_01": "FOR VALUES FROM ('2025-04-01') TO ('2025-07-01')",
        "m_2025_07_01": "FOR VALUES FROM ('2025-07-01') TO ('2025-10-01')",
        "m_2025_10_01": "FOR VALUES FROM ('2025-10-01') TO ('2026-01-01')",
        "m_rest": "DEFAULT",
    }
    assert year.execute(ROWS) == rows
    assert {row[0] for row in year.execute("SELECT severity FROM lifecycle.verify_migrations()")} == {"ok"}
    assert year.execute("SELECT * FROM lifecycle.validate_partitions('public.m')") == []
    assert year.execute("SELECT * FROM lifecycle.preview_rewrite_partitions()") == []
    year.execute("UPDATE public.m SET note = 'changed' WHERE id = 7; DELETE FROM public.m WHERE id = 8")
    rows = year.execute(ROWS)
    planned = rollback(year, done[0].migration_id, dry_run=True, options=AT_ONCE)
    undone = rollback(year, done[0].migration_id, options=AT_ONCE)
    assert [s[1:6] for s in undone] == [s[1:6] for s in planned]
    assert year.dump(schema_only=True) == before
    assert year.execute(ROWS) == rows


def test_merge_and_back(year):
    call(year, "split_partition", target="public.m_2025", boundaries='["2025-02-01", "2025-09-01"]')
    finish(year)
    before, rows = year.dump(schema_only=True), year.execute(ROWS)
    names = "{public.m_2025_02_01,public.m_2025_01}"
    done = call(year, "merge_partitions", partitions=names, partition_name="m_most")
    finish(year)
    assert leaves(year)["m_most"] == "FOR VALUES FROM ('2025-01-01') TO ('2025-09-01')"
    assert len(leaves(year)) == 3
    assert year.execute(ROWS) == rows
    rollback(year, done[0].migration_id, options=AT_ONCE)
    assert year.dump(schema_only=True) == before
    assert year.execute(ROWS) == rows


def test_drain_and_back(year):
    year.execute(
        "INSERT INTO public.m (day, note) SELECT date '2026-01-15' + n, 'd' || n FROM generate_series(0, 400) AS n;"
        " INSERT INTO public.m (day, note) VALUES ('2999-01-01', 'far'), ('infinity', 'never'), ('2024-12-31', 'old')"
    )
    year.execute("SELECT lifecycle.manage_partitions('public.m', '1 year', premake => 0)")
    before, rows = year.dump(schema_only=True), year.execute(ROWS)
    shown = year.execute("SELECT * FROM lifecycle.preview_drain_default_partition('public.m')")
    assert {s[6] for s in shown} == {"planned"}
    year.execute("CALL lifecycle.drain_default_partition('public.m', batch_size => 100)")
    assert leaves(year) == {
        "m_2024": "FOR VALUES FROM ('2024-01-01') TO ('2025-01-01')",
        "m_2025": "FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
        "m_2026": "FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        "m_default": "DEFAULT",
    }
    assert year.execute(ROWS) == rows
    assert year.value("SELECT count(*) FROM ONLY public.m_default") == 2 + 50
    assert year.execute("SELECT * FROM lifecycle.preview_drain_default_partition('public.m')") == []
    ((migration,),) = year.execute("SELECT max(migration_id) FROM lifecycle.migration")
    rollback(year, migration, options=AT_ONCE)
    assert year.dump(schema_only=True) == before
    assert year.execute(ROWS) == rows


def test_attach_reads_no_rows(database):
    """The bounds are believed: neither the new partitions nor the new default are read under the lock."""
    database.execute(YEAR + ";" + STAGED)
    database.execute("INSERT INTO public.m (day, note) VALUES ('2026-01-15', 'd'), ('2999-01-01', 'far')")
    database.execute("SELECT lifecycle.manage_partitions('public.m', '1 year')")
    said = []
    with psycopg.connect(database.dsn(), autocommit=True) as connection:
        connection.execute("SET client_min_messages = debug1; SET lifecycle.partition_rewrite_at_once = '0'")
        connection.add_notice_handler(lambda d: said.append(d.message_primary))
        status = ""
        while status != "done":
            said.clear()
            (step,) = connection.execute("SELECT lifecycle.drain_default_partition_step('public.m')").fetchone()
            status = step["status"]
    assert sorted(m.split('"')[1] for m in said if "is implied by existing constraints" in m) == ["m_2026", "m_default"]
    assert [m for m in said if m.startswith("verifying table")] == []


@pytest.mark.parametrize("replayed", [True, False])
def test_changes_while_it_is_copied(database, session, replayed):
    """Without the replay of the keys, which the second run leaves out, the rows would differ."""
    database.execute(YEAR + ";" + STAGED)
    if not replayed:
        database.execute(
            "CREATE OR REPLACE FUNCTION lifecycle._replay_source(rewrite lifecycle.partition_rewrite, place integer,"
            " is_last boolean, search_path text) RETURNS bigint LANGUAGE sql AS"
            " 'SELECT (lifecycle._drain(rewrite.queues[place]::regclass)).entries';"
            # which would notice it, by the number of rows
            "CREATE OR REPLACE FUNCTION lifecycle._require_complete(rewrite lifecycle.partition_rewrite) RETURNS void"
            " LANGUAGE sql AS ''"
        )
    call(database, "split_partition", target="public.m_2025", every="1 month")
    writer = session(database)
    step = "SELECT lifecycle.rewrite_partitions_step('public.m', 100)"
    for n in range(60):
        status = database.value(step)["status"]
        if status == "done":
            break
        if n < 30:
            writer.run(
                f"INSERT INTO public.m (day, note) VALUES ('2025-03-01', 'new{n}');"
                f" UPDATE public.m SET note = note || '-' WHERE id % 50 = {n};"
                f" UPDATE public.m SET day = date '2025-12-31' - {n} WHERE id = {n * 3 + 1};"
                f" DELETE FROM public.m WHERE id % 97 = {n};"
                # a unique value goes from one row to the other
                f" UPDATE public.m SET note = 'swap' WHERE id = {n * 5 + 2};"
                f" UPDATE public.m SET note = note || 'gone{n}' WHERE id = {n * 5 + 2};"
                f" UPDATE public.m SET (note, day) = ('swap', '2025-05-05') WHERE id = {n * 7 + 3}; "
                f" UPDATE public.m SET note = 'swapped{n}' WHERE id = {n * 7 + 3}"
            )
            rows = writer.run(ROWS)
    assert status == "done"
    assert (database.execute(ROWS) == rows) is replayed
    assert len(leaves(database)) == 13


def test_rows_that_break_a_unique_key_are_not_lost(year):
    """The old partition has twice what may be there once: it stays, and says so."""
    year.execute(
        "UPDATE pg_index SET indisunique = false, indimmediate = true WHERE indexrelid = 'public.m_2025_note_day_key'"
        "::regclass; INSERT INTO public.m_2025 (id, day, note) OVERRIDING SYSTEM VALUE"
        " VALUES (9001, '2025-01-02', 'n1')"
    )
    rows = year.execute(ROWS)
    with refused("23505", "1 rows of public.m_2025 do not fit"):
        call(year, "split_partition", target="public.m_2025", every="3 months")
        finish(year)
    assert year.execute(ROWS) == rows
    assert "m_2025" in leaves(year)


def test_truncate_while_it_is_copied(database):
    database.execute(YEAR + ";" + STAGED)
    call(database, "split_partition", target="public.m_2025", every="6 months")
    database.value("SELECT lifecycle.rewrite_partitions_step('public.m', 100)")
    database.execute("TRUNCATE public.m_2025; INSERT INTO public.m (day, note) VALUES ('2025-03-01', 'only')")
    assert finish(database)[-2:] == ["done", "nothing"]
    assert database.execute("SELECT note FROM public.m") == [("only",)]


def test_lists(year):
    year.execute(
        "CREATE TABLE public.v (k text, n int, PRIMARY KEY (n, k)) PARTITION BY LIST (k);"
        " CREATE TABLE public.v_abc PARTITION OF public.v FOR VALUES IN ('a', 'b', 'c');"
        " CREATE TABLE public.v_rest PARTITION OF public.v DEFAULT;"
        " INSERT INTO public.v SELECT chr(97 + n % 5), n FROM generate_series(1, 100) AS n"
    )
    call(year, "split_partition", target="public.v_abc", boundaries='[["b"]]')
    finish(year, "public.v")
    assert leaves(year, "public.v") == {
        "v_b": "FOR VALUES IN ('b')",
        "v_a_c": "FOR VALUES IN ('a', 'c')",
        "v_rest": "DEFAULT",
    }
    year.execute("CALL lifecycle.drain_default_partition('public.v')")
    call(year, "merge_partitions", partitions="{public.v_d,public.v_b}")
    finish(year, "public.v")
    assert leaves(year, "public.v") == {
        "v_d_b": "FOR VALUES IN ('d', 'b')",
        "v_e": "FOR VALUES IN ('e')",
        "v_a_c": "FOR VALUES IN ('a', 'c')",
        "v_default": "DEFAULT",
    }
    assert year.execute("SELECT k, count(*) FROM public.v GROUP BY k ORDER BY k") == [(k, 20) for k in "abcde"]
    with refused("42P17", "does not hold x"):
        call(year, "split_partition", target="public.v_a_c", boundaries='[["x"]]')
    with refused("42P17", "Nothing is left"):
        call(year, "split_partition", target="public.v_a_c", boundaries='[["a", "c"]]')
    with refused("22023", "lists of values"):
        call(year, "split_partition", target="public.v_a_c", boundaries='["a"]')


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_taken_back_half_way(database, steps):
    """After the tables were made, after the triggers were, and when some rows are copied."""
    database.execute(YEAR + ";" + STAGED)
    before, rows = database.dump(schema_only=True), database.execute(ROWS)
    done = call(database, "split_partition", target="public.m_2025", every="6 months")
    triggers = "SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.m_2025'::regclass AND tgname LIKE 'capture%'"
    assert database.value(triggers) == 0
    for _ in range(steps):
        assert database.value("SELECT lifecycle.rewrite_partitions_step('public.m', 100)")["status"] == "copying"
    assert database.value(triggers) == (2 if steps else 0)
    rollback(database, done[0].migration_id)
    assert database.dump(schema_only=True) == before
    assert database.execute(ROWS) == rows


SPLIT = "SELECT lifecycle.split_partition('public.m_2025', every => '6 months')"
MERGE = "SELECT lifecycle.merge_partitions('{public.m_2025,public.m_2026}')"
LOCKED = (
    "SELECT l.relation::regclass::text, l.mode FROM pg_locks AS l WHERE l.pid = pg_backend_pid()"
    " AND l.relation::regclass::text ~ '^m(_[0-9]{4})?$' AND l.mode NOT IN ('AccessShareLock', 'RowShareLock')"
    " ORDER BY 1, 2"
)


@pytest.mark.parametrize(("begin", "locked"), [(SPLIT, "m_2025"), (MERGE, "m")])
def test_new_partitions_are_made_beside_a_writer_and_only_the_triggers_wait_for_him(database, session, begin, locked):
    database.execute(
        YEAR + ";" + STAGED + "; SET lifecycle.lock_attempts = 2; SET lifecycle.lock_retry_delay = 10;"
        " SET lifecycle.lock_timeout = 20;"
        " CREATE TABLE public.m_2026 PARTITION OF public.m FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')"
    )
    step = "SELECT lifecycle.rewrite_partitions_step('public.m', 10000)"
    writer = session(database, autocommit=False)
    writer.run("INSERT INTO public.m (day, note) VALUES ('2025-06-06', 'mine')")
    with database.connect(autocommit=False) as connection:
        connection.execute(STAGED)
        connection.execute(begin)
        assert {mode for _, mode in connection.execute(LOCKED)} == {"ShareUpdateExclusiveLock"}
        connection.commit()
    waiting = database.value(step)
    assert (waiting["status"], waiting["rows"]) == ("waiting", 0)
    assert "lock for capture" in waiting["message"]
    assert f"process {writer.pid} holds" in waiting["detail"]
    assert database.value("SELECT sum(rows_copied) FROM lifecycle.preview_rewrite_partitions()") == 0
    with refused("55P03", "could not get its locks", f"process {writer.pid} holds"):
        database.execute("CALL lifecycle.rewrite_partitions('public.m')")
    writer.run("COMMIT")
    with database.connect(autocommit=False) as connection:
        assert connection.execute(step).fetchone()[0]["status"] == "copying"
        found = connection.execute(LOCKED).fetchall()
        assert (locked, "ShareRowExclusiveLock") in found
        assert not {mode for _, mode in found} & {"ExclusiveLock", "AccessExclusiveLock"}
        connection.commit()
    assert finish(database)[-2:] == ["done", "nothing"]
    assert database.value("SELECT count(*) FROM public.m WHERE note = 'mine'") == 1


def test_two_tables_of_one_name_are_split_side_by_side(database):
    """Their queues are made with the new partitions, so that neither takes the other's name."""
    database.execute(STAGED + "; CREATE SCHEMA other")
    for schema in ("public", "other"):
        database.execute(YEAR.replace("public.", schema + "."))
        call(database, "split_partition", target=f"{schema}.m_2025", every="6 months")
    for schema in ("public", "other"):
        assert finish(database, f"{schema}.m")[-2:] == ["done", "nothing"]
        assert len(leaves(database, f"{schema}.m")) == 3


def test_the_rest_by_run_pending(database):
    database.execute(YEAR + ";" + STAGED)
    rows = database.execute(ROWS)
    done = call(database, "split_partition", target="public.m_2025", every="6 months")
    assert sorted({s.stage for s in done}) == [1, 2, 3, 4]
    assert {s.status for s in done if s.stage == 1} == {"done"}
    assert {s.status for s in done if s.stage > 1} == {"pending"}
    database.execute("CALL lifecycle.run_pending()")
    assert len(leaves(database)) == 3
    assert database.execute(ROWS) == rows


def test_below_another_level(database):
    """The CHECK holds the bounds of the levels above, too: nothing is read in the exchange."""
    database.execute(
        "CREATE TABLE public.m (k text, day date, n int, PRIMARY KEY (k, day, n)) PARTITION BY LIST (k);"
        " CREATE TABLE public.m_a PARTITION OF public.m FOR VALUES IN ('a') PARTITION BY RANGE (day);"
        " CREATE TABLE public.m_a_1 PARTITION OF public.m_a FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');"
        " INSERT INTO public.m SELECT 'a', date '2025-01-01' + n, n FROM generate_series(1, 300) AS n"
    )
    database.execute(STAGED)
    before = database.dump(schema_only=True)
    done = call(database, "split_partition", target="public.m_a_1", every="4 months")
    said = []
    with psycopg.connect(database.dsn(), autocommit=True) as connection:
        connection.execute("SET client_min_messages = debug1")
        connection.add_notice_handler(lambda d: said.append(d.message_primary))
        status = ""
        while status != "done":
            said.clear()
            (step,) = connection.execute("SELECT lifecycle.rewrite_partitions_step('public.m_a')").fetchone()
            status = step["status"]
    assert len([m for m in said if "is implied by existing constraints" in m]) == 3
    assert [m for m in said if m.startswith("verifying table")] == []
    assert database.value("SELECT count(*) FROM public.m") == 300
    rollback(database, done[0].migration_id, options=AT_ONCE)
    assert database.dump(schema_only=True) == before
