"""Months ahead, counted by the clock; one broken set never stops the others."""

from __future__ import annotations

import datetime

import pytest

from harness.calls import call, refused, statuses


def ensure(place, months=2, **more):
    return call(place, "ensure_future_partitions", months=months, **more)


def set_of(database, name, key="date", first=True):
    """A partitioned table, with the partition of December 2020 unless told otherwise."""
    database.execute(f"CREATE TABLE {name} (at {key}) PARTITION BY RANGE (at)")
    if first:
        call(database, "create_monthly_partition", parent=name, year=2020, month=12)


def ahead(months):
    """The months from this one on, as YYYY_MM."""
    today = datetime.datetime.now(datetime.UTC)
    numbers = range(today.year * 12 + today.month - 1, today.year * 12 + today.month + months)
    return [f"{n // 12:04d}_{n % 12 + 1:02d}" for n in numbers]


def names(database, parent):
    query = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = %s::regclass ORDER BY 1"
    return [name for (name,) in database.execute(query, [parent])]


def test_this_month_and_those_ahead(database):
    set_of(database, "public.metric", first=False)
    done = ensure(database, 3, target="public.metric")
    assert statuses(done) == ["done"] * 8
    assert len({s.migration_id for s in done}) == 1
    assert names(database, "public.metric") == [f"metric_{m}" for m in ahead(3)]
    before = database.dump()
    assert statuses(ensure(database, 3, target="public.metric")) == ["skipped"] * 4
    assert database.dump() == before
    assert statuses(ensure(database, 4, target="public.metric")) == ["skipped"] * 4 + ["done"] * 2


def test_dry_run_and_reviewed_plan(database):
    set_of(database, "public.metric")
    set_of(database, "public.event", "timestamptz")
    before = database.dump()
    shown = ensure(database, dry_run=True)
    assert statuses(shown) == ["planned"] * 12
    assert len({s.plan_hash for s in shown}) == 1
    assert database.dump() == before
    set_of(database, "public.third")
    with refused("55000", "not the one that was reviewed"):
        ensure(database, expected_plan=shown[0].plan_hash)
    database.execute("DROP TABLE public.third")
    done = ensure(database, expected_plan=shown[0].plan_hash)
    assert statuses(done) == ["done"] * 12
    assert [s.statement for s in done] == [s.statement for s in shown]


def test_all_monthly_sets_and_no_others(database):
    for name, key in [
        ("daily", "date"),
        ("stamped", "timestamp"),
        ("zoned", "timestamptz"),
    ]:
        set_of(database, f"public.{name}", key)
    for name, upper in [("quarters", "2021-03-01"), ("days", "2020-12-02")]:
        set_of(database, f"public.{name}", first=False)
        call(
            database,
            "create_partition",
            parent=f"public.{name}",
            lower_bound="2020-12-01",
            upper_bound=upper,
        )
    set_of(database, "public.none_yet", first=False)
    database.execute("CREATE TABLE public.listed (at date) PARTITION BY LIST (at)")
    database.execute(
        "CREATE TABLE public.top (p int, at date) PARTITION BY LIST (p);"
        "CREATE TABLE public.deep PARTITION OF public.top FOR VALUES IN (1) PARTITION BY RANGE (at)"
    )
    call(database, "create_monthly_partition", parent="public.deep", year=2020, month=12)
    made = ensure(database, 0)
    assert [s.object for s in made if s.action == "attach partition"] == [
        f"table public.{name}_{ahead(0)[0]}" for name in ("daily", "deep", "stamped", "zoned")
    ]
    assert statuses(ensure(database, 0)) == ["skipped"] * 4
    with refused("0A000"):
        ensure(database, target="public.listed")


def test_a_wide_first_partition_does_not_matter(database):
    set_of(database, "public.metric", first=False)
    call(
        database,
        "create_partition",
        parent="public.metric",
        lower_bound="MINVALUE",
        upper_bound="2020-11-01",
    )
    for month in (11, 12):
        call(
            database,
            "create_monthly_partition",
            parent="public.metric",
            year=2020,
            month=month,
        )
    assert statuses(ensure(database, 0)) == ["done", "done"]


def test_a_far_partition_is_no_reason_for_more(database):
    set_of(database, "public.metric")
    call(database, "create_monthly_partition", parent="public.metric", year=2999, month=1)
    assert len(ensure(database, 1)) == 4


def test_one_broken_set_does_not_stop_the_others(database):
    set_of(database, "public.a_broken")
    set_of(database, "public.b_sound")
    set_of(database, "public.c_partly")
    database.execute(
        "CREATE TABLE public.taken PARTITION OF public.a_broken DEFAULT; CREATE TABLE public.rest PARTITION OF"
        " public.c_partly DEFAULT; INSERT INTO public.a_broken SELECT now() + n * interval '1 month' FROM"
        " generate_series(0, 2) AS n; INSERT INTO public.c_partly VALUES (now())"
    )
    made = ensure(database, 1)
    assert [(s.object, s.status) for s in made if s.status == "failed"] == [
        ("table public.a_broken", "failed"),
        ("table public.a_broken", "failed"),
        ("table public.c_partly", "failed"),
    ]
    assert all(s.note.startswith("23514: 1 rows of the default partition") for s in made if s.status == "failed")
    assert statuses(made).count("done") == 6
    assert "WARNING: 3 steps failed: see the rows with status failed" in database.notices


def test_a_set_that_fails_while_it_runs(database):
    set_of(database, "public.a_broken")
    set_of(database, "public.b_sound")
    database.execute(
        "CREATE FUNCTION public.no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM"
        " pg_event_trigger_ddl_commands() WHERE object_identity LIKE '%a_broken%') THEN RAISE EXCEPTION 'not here'"
        " USING ERRCODE = 'ZX123', DETAIL = 'house rule'; END IF; END $$;"
        "CREATE EVENT TRIGGER no ON ddl_command_end EXECUTE FUNCTION public.no()"
    )
    made = ensure(database, 0)
    assert [(s.object, s.status) for s in made] == [
        (f"table public.a_broken_{ahead(0)[0]}", "failed"),
        (f"table public.b_sound_{ahead(0)[0]}", "done"),
        (f"table public.b_sound_{ahead(0)[0]}", "done"),
    ]
    assert made[0].note.startswith("ZX123: ")
    assert "not here" in made[0].note
    assert "house rule" in made[0].note
    assert database.value("SELECT count(*) FROM lifecycle.migration WHERE target = 'public.a_broken'") == 1


def test_a_set_that_cannot_be_locked(database, session):
    for name in ("public.a_busy", "public.b_free"):
        set_of(database, name)
    other = session(database, autocommit=False)
    other.run("LOCK TABLE public.a_busy IN SHARE UPDATE EXCLUSIVE MODE")
    database.execute("SET lifecycle.lock_attempts = '1'; SET lifecycle.lock_timeout = '10'")
    made = ensure(database, 0)
    assert statuses(made) == ["failed", "done", "done"]
    assert made[0].note.startswith("55P03: could not lock public.a_busy in 1 tries")
    assert f"process {other.pid} holds ShareUpdateExclusiveLock" in made[0].note


def test_the_zone_of_the_set_is_remembered(database):
    set_of(database, "public.event", "timestamptz", first=False)
    call(
        database,
        "create_monthly_partition",
        parent="public.event",
        year=2020,
        month=12,
        time_zone="Asia/Tokyo",
    )
    database.execute("SET timezone = 'America/Lima'")
    done = ensure(database, 1)
    assert statuses(done) == ["done"] * 4
    assert "+09" in done[1].statement
    refused_rows = ensure(database, 3, time_zone="UTC")
    assert statuses(refused_rows) == ["failed"] * 3 + ["skipped"]
    assert all(s.note.startswith("42P17: ") for s in refused_rows if s.status == "failed")


def test_a_set_made_in_an_unknown_zone_fails_aloud(database):
    database.execute("SET timezone = 'UTC'; CREATE TABLE public.event (at timestamptz) PARTITION BY RANGE (at)")
    month = ahead(1)
    database.execute(
        "CREATE TABLE public.e1 PARTITION OF public.event FOR VALUES FROM"
        f" ('{month[0].replace('_', '-')}-01 00:00+05:30') TO ('{month[1].replace('_', '-')}-01 00:00+05:30')"
    )
    made = ensure(database, 1)
    assert statuses(made) == ["failed", "failed"]
    assert {s.note[:5] for s in made} == {"42P17"}
    assert set(statuses(ensure(database, 1, time_zone="Asia/Kolkata"))) == {
        "skipped",
        "done",
    }


def test_only_what_the_caller_owns(database, roles):
    owner = roles("owner")
    set_of(database, "public.theirs")
    set_of(database, "public.mine")
    database.execute(
        f"ALTER TABLE public.mine OWNER TO {owner}; GRANT ALL ON SCHEMA public TO {owner};"
        f"SELECT lifecycle.grant_lifecycle_admin('{owner}')"
    )
    connection = database.connect(owner)
    assert {s.object for s in ensure(connection, 0)} == {f"table public.mine_{ahead(0)[0]}"}
    with refused("42501", "must be owner of public.theirs"):
        ensure(connection, target="public.theirs")


@pytest.mark.parametrize("months", [-1, 121])
def test_months_within_reason(database, months):
    with refused("22023", "months must be between 0 and 120"):
        ensure(database, months)


def test_nothing_to_do_at_all(database):
    assert ensure(database) == []
