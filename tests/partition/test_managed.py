"""Policies: stored, changed, taken back; sets adopted as they stand; kept ahead by the clock."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rollback, statuses


def manage(place, parent="public.m", **more):
    return call(place, "manage_partitions", parent=parent, **more)


def ensure(place, **more):
    return call(place, "ensure_future_partitions", **more)


def names(database, parent="public.m"):
    return [
        n
        for (n,) in database.execute(
            "SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass ORDER BY c.oid",
            [parent],
        )
    ]


def adopt(database, key="timestamptz", style="m_pYYYYMMDD", every="1 month", zone="UTC"):
    """A set as another tool makes it: three periods up to now."""
    database.execute(f"SET timezone = '{zone}'")
    database.execute(f"CREATE TABLE public.m (at {key} NOT NULL) PARTITION BY RANGE (at)")
    unit = every.split()[1].rstrip("s")
    for ago in (2, 1, 0):
        lower = f"date_trunc('{unit}', now()) - {ago} * interval '{every}'"
        upper = f"date_trunc('{unit}', now()) - {ago - 1} * interval '{every}'"
        database.execute(
            "DO $$ BEGIN EXECUTE format('CREATE TABLE public.%I PARTITION OF public.m FOR VALUES FROM (%L) TO (%L)',"
            f" to_char({lower}, '\"m_p\"YYYYMMDD_HH24MISS'), {lower}, {upper}); END $$"
        )


@pytest.mark.parametrize("every", ["1 hour", "1 day", "1 week", "1 month", "1 year"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_set_is_adopted_as_it_stands(database, every, zone):
    adopt(database, every=every, zone=zone)
    database.execute("SET timezone = 'Asia/Tokyo'")  # whoever maintains it
    (step,) = manage(
        database,
        premake=2,
        **({} if every != "1 hour" else {"time_zone": zone}) | {"time_zone": zone},
    )
    assert step.status == "done"
    assert statuses(manage(database, premake=2)) == ["skipped"]
    done = ensure(database)
    assert sum(s.action == "attach partition" for s in done) == 2, [s.note for s in done]
    assert statuses(ensure(database)) == ["skipped"]
    assert len(names(database)) == 5
    assert names(database)[-1].startswith("m_")
    gaps = database.execute(
        "SELECT count(*) FROM (SELECT p.lower_place, lag(p.upper_place) OVER (ORDER BY p.lower_place) AS before"
        " FROM lifecycle._range_partitions(ARRAY['public.m'::regclass::oid]) AS p) AS g WHERE g.before <> g.lower_place"
    )
    assert gaps == [(0,)]


def test_the_policy_is_changed_and_taken_back(database):
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    before = database.dump()
    first = manage(database, every="1 month", premake=1)
    second = manage(
        database,
        every="1 month",
        premake=4,
        retention="2 years",
        name_format='"_y"YYYY"m"MM',
    )
    assert statuses(second) == ["done"]
    assert len([s for s in ensure(database) if s.action == "attach partition"]) == 5
    assert names(database)[0].startswith("m_y")
    assert statuses(call(database, "rollback_partition_policy", target="public.m", dry_run=False)) == ["done"] * 12
    assert database.execute("SELECT count(*) FROM lifecycle.partition_policy") == [(0,)]
    assert names(database) == []
    with refused("55000", "public.m has no policy, and no partition was made for it", "migration_history"):
        call(database, "rollback_partition_policy", target="public.m", dry_run=False)
    assert first[0].migration_id != second[0].migration_id
    assert "partition_policy" in before


def test_numbers_go_on_from_the_highest(database):
    database.execute("CREATE TABLE public.m (id bigint NOT NULL) PARTITION BY RANGE (id)")
    manage(database, every="1000", premake=2)
    ensure(database)
    assert names(database) == ["m_0", "m_1000", "m_2000"]
    database.execute("INSERT INTO public.m VALUES (2999)")
    ensure(database)
    assert names(database)[3:] == ["m_3000", "m_4000"]
    assert statuses(ensure(database)) == ["skipped"]


@pytest.mark.parametrize(("kind", "highest"), [("smallint", 2**15 - 1), ("int", 2**31 - 1), ("bigint", 2**63 - 1)])
def test_numbers_to_the_end_of_their_type(database, kind, highest):
    """The last partition has no end, so that the last number has a place, and then nothing is lacking."""
    database.execute(f"CREATE TABLE public.m (id {kind} NOT NULL) PARTITION BY RANGE (id)")
    manage(database, every=str(highest // 4), premake=2)
    ensure(database)
    database.execute(f"INSERT INTO public.m VALUES ({highest // 4 * 2 + 7})")
    assert "failed" not in statuses(ensure(database))
    database.execute(f"INSERT INTO public.m VALUES ({highest}), (0)")
    assert statuses(ensure(database)) == ["skipped"]
    assert database.execute("SELECT finding FROM lifecycle.validate_partitions('public.m')") == []
    database.execute(f"INSERT INTO public.m VALUES ({highest - 1})")
    with pytest.raises(psycopg.errors.CheckViolation):
        database.execute("INSERT INTO public.m VALUES (-1)")


def test_names_by_a_format(database):
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    manage(database, every="1 month", premake=1, name_format='"_y"YYYY"m"MM', time_zone="UTC")
    ensure(database)
    wanted = (
        "SELECT to_char(date_trunc('month', now() AT TIME ZONE 'UTC') + n * interval '1 month', 'YYYY\"m\"MM')"
        " FROM generate_series(0, 1) AS n"
    )
    assert names(database) == ["m_y" + month for (month,) in database.execute(wanted)]


def test_a_set_that_stands_near_the_end_of_its_type(database):
    database.execute(
        "CREATE TABLE public.m (id int NOT NULL) PARTITION BY RANGE (id); CREATE TABLE public.m_1 PARTITION OF public.m"
        " FOR VALUES FROM (2000000000) TO (2100000000); INSERT INTO public.m VALUES (2050000000)"
    )
    manage(database, premake=2)
    assert statuses(ensure(database)) == ["skipped", "done", "done"]
    newest = "SELECT pg_get_expr(c.relpartbound, 0) FROM pg_class AS c WHERE relispartition ORDER BY oid DESC LIMIT 1"
    assert database.value(newest) == "FOR VALUES FROM (2100000000) TO (MAXVALUE)"
    assert statuses(ensure(database)) == ["skipped"]
    database.execute(f"INSERT INTO public.m VALUES ({2**31 - 1})")


def test_a_hole_is_filled(database):
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    manage(database, every="1 month", premake=3)
    ensure(database)
    gone = names(database)[1]
    database.execute(f"DROP TABLE public.{gone}")
    assert [s.object for s in ensure(database) if s.action == "attach partition"] == [f"table public.{gone}"]
    assert statuses(ensure(database)) == ["skipped"]


def test_a_detached_newest_one_is_noticed(database):
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    manage(database, every="1 month", premake=3)
    ensure(database)
    database.execute(f"ALTER TABLE public.m DETACH PARTITION public.{names(database)[-1]}")
    done = ensure(database)
    assert [s.status for s in done if s.action == "attach partition"] == ["done"]


def test_no_more_than_asked_for_in_one_call(database):
    for name in ("public.m", "public.n"):
        database.execute(f"CREATE TABLE {name} (at date NOT NULL) PARTITION BY RANGE (at)")
        manage(database, name, every="1 day", premake=5)
    done = ensure(database, max_creations=6)
    assert [s.status for s in done].count("skipped") == 1
    assert "left to the next call" in next(s.note for s in done if s.status == "skipped")
    assert "done" in statuses(ensure(database))
    assert statuses(ensure(database)) == ["skipped"] * 2


def test_one_broken_set_does_not_stop_the_others(database):
    for name in ("public.m", "public.n"):
        database.execute(f"CREATE TABLE {name} (at date NOT NULL) PARTITION BY RANGE (at)")
        manage(database, name, every="1 month", premake=1)
    database.execute(
        "CREATE TABLE public.odd PARTITION OF public.m DEFAULT; INSERT INTO public.m VALUES (current_date)"
    )
    done = ensure(database)
    assert [s.object for s in done if s.status == "failed"] == ["table public.m"]
    assert "23514" in next(s.note for s in done if s.status == "failed")
    assert len(names(database, "public.n")) == 2


def test_beside_partitions_of_another_span(database):
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    manage(database, "public.m", every="1 month", premake=1)
    database.execute(
        "CREATE TABLE public.odd PARTITION OF public.m FOR VALUES FROM (current_date - 1000) TO (current_date + 20)"
    )
    database.execute("CREATE TABLE public.far PARTITION OF public.m FOR VALUES FROM ('5000-01-15') TO ('5000-02-15')")
    assert set(statuses(ensure(database))) == {"done"}
    assert statuses(ensure(database)) == ["skipped"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"every": "30"}, "22023"),
        ({"every": "1 month", "premake": -1}, "22023"),
        ({"every": "1 month", "retention": "90"}, "22023"),
        ({}, "22023"),
        ({"every": "1 month", "time_zone": "Mars/Olympus"}, "22023"),
    ],
)
def test_what_it_refuses(database, arguments, code):
    database.execute("CREATE TABLE public.m (at timestamptz NOT NULL) PARTITION BY RANGE (at)")
    with refused(code):
        manage(database, **arguments)


def test_a_policy_of_a_former_owner_does_not_bind(database, roles):
    alice = roles("alice")
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    database.execute(f"SELECT lifecycle.grant_lifecycle_admin('{alice}')")
    with database.connect(user=alice) as connection, refused("42501"):
        manage(connection, every="1 month")
    database.execute(f"ALTER TABLE public.m OWNER TO {alice}")
    with database.connect(user=alice) as connection:
        assert statuses(manage(connection, every="1 month")) == ["done"]
    database.execute("ALTER TABLE public.m OWNER TO CURRENT_USER")
    assert ensure(database) == []


def test_rolled_back_by_its_number(database):
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    (step,) = manage(database, every="1 month")
    assert statuses(rollback(database, step.migration_id)) == ["done"]
    assert database.execute("SELECT count(*) FROM lifecycle.partition_policy") == [(0,)]


@pytest.mark.parametrize("months", [6, 11, 12, 23, 36, 119])
def test_months_are_counted_by_the_calendar(database, months):
    """Thirteen months are not thirteen times thirty days: a second call with the same number finds nothing to do."""
    database.execute("CREATE TABLE public.m (at timestamptz) PARTITION BY RANGE (at)")
    call(database, "manage_partitions", parent="public.m", every="1 month", premake=months)
    call(database, "ensure_future_partitions")
    assert set(statuses(call(database, "ensure_future_partitions", months=months))) == {"skipped"}
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.m'::regclass") == months + 1


@pytest.mark.parametrize(
    "change",
    [
        "DROP TABLE public.{0}",
        "ALTER TABLE public.m DETACH PARTITION public.{0}",
        "ALTER TABLE public.m DETACH PARTITION public.{0}; ALTER TABLE public.m ATTACH PARTITION public.{0}"
        " FOR VALUES FROM ('1999-01-01') TO ('1999-02-01')",
        "UPDATE lifecycle.partition_policy SET premake = 5",
        "VACUUM FULL pg_inherits; DROP TABLE public.{0}",
    ],
)
def test_what_was_seen_is_seen_again_after_a_change(database, change):
    """A look that found nothing to do is remembered; whatever changes the partitions makes it forgotten."""
    database.execute("CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at)")
    manage(database, every="1 month", premake=3)
    ensure(database)
    assert database.execute("SELECT * FROM lifecycle.partition_state") == []
    shown = database.dump(sort_rows=True)
    assert statuses(ensure(database, dry_run=True)) == ["skipped"]
    assert database.execute("SELECT * FROM lifecycle.partition_state") == [], "a dry run writes nothing"
    first = ensure(database)
    assert len(database.execute("SELECT * FROM lifecycle.partition_state")) == 1
    assert ensure(database) == first
    assert database.dump(sort_rows=True) == shown, "it is not dumped"
    for statement in change.format(names(database)[2]).split("; "):
        database.execute(statement)
    assert "done" in statuses(ensure(database))
    assert statuses(ensure(database)) == ["skipped"]


def test_what_others_remember_does_not_count(database, roles):
    alice = roles("alice")
    database.execute(
        "CREATE TABLE public.m (at date NOT NULL) PARTITION BY RANGE (at);"
        f"SELECT lifecycle.grant_lifecycle_admin('{alice}')"
    )
    manage(database, every="1 month", premake=3)
    with database.connect(alice) as connection:
        connection.execute(
            "INSERT INTO lifecycle.partition_state (parent_oid, signature, covered_from, covered_to, ahead_to) SELECT"
            " 'public.m'::regclass, 0, '-Infinity', 'Infinity', 'Infinity'"
        )
        with refused("42501"):
            connection.execute("UPDATE lifecycle.partition_state SET seen_by = 'postgres'")
    assert "done" in statuses(ensure(database))
