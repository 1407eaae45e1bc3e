"""Unique among live rows, and indexes that hold live rows only."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, rows

TABLE = """
CREATE TABLE public.person (id int PRIMARY KEY, email text, org int, CONSTRAINT person_email_key UNIQUE (email));
INSERT INTO public.person VALUES (1, 'ann@x', 1), (2, 'bob@x', 1), (3, NULL, 2), (4, NULL, 2);
"""


def enable(place, target="public.person", **more):
    return call(place, "enable_soft_delete", target=target, **more)


@pytest.fixture
def person(database):
    database.execute(TABLE)
    return database


@pytest.mark.parametrize(
    ("form", "target"),
    [("index", "(email) WHERE deleted_at IS NULL"), ("column", "(live_email)")],
)
@pytest.mark.parametrize("relation", ["person", "active_person"])
def test_upsert(person, form, target, relation):
    enable(person, live_keys=["person_email_key"], live_keys_as=form)
    upsert = (
        f"INSERT INTO {relation} (id, email) VALUES (%s, %s) ON CONFLICT {target} "
        "DO UPDATE SET org = 99 RETURNING id, org"
    )
    assert person.execute(upsert, [10, "ann@x"]) == [(1, 99)], "meets the live row"
    person.execute("SELECT soft_delete_person(1)")
    assert person.execute(upsert, [11, "ann@x"]) == [(11, None)], "a deleted row is not in the way"
    assert person.execute(upsert, [12, "ann@x"]) == [(11, 99)]
    for statement in (
        "SELECT restore_person(1)",
        "UPDATE person SET deleted_at = NULL WHERE id = 1",
    ):
        with refused("23505"):
            person.execute(statement)
    with refused("23505"):
        person.execute("INSERT INTO person VALUES (13, 'ann@x')")
    person.execute("DELETE FROM active_person WHERE id = 11; SELECT restore_person(1)")
    assert person.execute("SELECT id FROM active_person WHERE email = 'ann@x'") == [(1,)]


def test_a_whole_key_is_in_the_way_of_deleted_rows(person):
    """The control: without live_keys a deleted row keeps its value."""
    enable(person)
    person.execute("SELECT soft_delete_person(1)")
    with refused("23505"):
        person.execute("INSERT INTO active_person (id, email) VALUES (10, 'ann@x')")


@pytest.mark.parametrize("form", ["index", "column"])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("choice", ["refuse", "restore", "purge", "keep"])
def test_rollback_with_deleted_rows(person, form, large, choice):
    if large:
        person.execute("SET lifecycle.large_table = '0'")
    before = person.dump(schema_only=True)
    enable(person, live_keys=["*"], live_keys_as=form)
    if large:
        for (statement,) in person.execute("SELECT statement FROM lifecycle.migration_step WHERE top_level"):
            person.execute(statement)
        person.execute("CALL lifecycle.run_pending()")
    assert person.execute("SELECT * FROM lifecycle.verify_migrations() WHERE severity <> 'ok'") == []
    assert {s.status for s in enable(person, live_keys=["person_email_key"], live_keys_as=form)} == {"skipped"}
    person.execute("SELECT soft_delete_person(1); INSERT INTO person VALUES (10, 'ann@x')")
    options = {"target": "public.person", "deleted_rows": choice, "dry_run": False}
    if choice == "refuse":
        with refused("55000", "1 rows are marked", "purge"):
            call(person, "rollback_soft_delete", **options)
    elif choice != "purge":
        for dry_run in (True, False):
            with refused("23505", "person_email_key", "(email) stand in several rows", "purge"):
                call(person, "rollback_soft_delete", **options | {"dry_run": dry_run})
    person.execute("UPDATE person SET email = 'other@x' WHERE id = 10") if choice == "restore" else None
    if choice in ("restore", "purge"):
        call(person, "rollback_soft_delete", **options)
        assert person.dump(schema_only=True) == before
        assert person.value("SELECT array_agg(id ORDER BY id) FROM person") == (
            [2, 3, 4, 10] if choice == "purge" else [1, 2, 3, 4, 10]
        )
    else:
        call(person, "rollback_soft_delete", **options | {"deleted_rows": "purge"})
        assert person.dump(schema_only=True) == before


def test_added_and_taken_back_alone(person):
    enable(person)
    before = person.dump(schema_only=True)
    steps = enable(person, live_keys=["person_email_key"])
    assert [s.action for s in steps if s.status == "done"] == [
        "drop constraint",
        "create index",
    ]
    assert {s.status for s in enable(person, live_keys=["person_email_key"])} == {"skipped"}
    person.execute("SELECT soft_delete_person(1); INSERT INTO person VALUES (10, 'ann@x')")
    with refused("23505", "purge those deleted rows first"):
        rollback(person, steps[0].migration_id)
    person.execute("DELETE FROM person WHERE id = 1")
    rollback(person, steps[0].migration_id)
    assert person.dump(schema_only=True) == before


def test_all_of_them(database):
    database.execute(
        TABLE + "ALTER TABLE person ADD UNIQUE (org, id), ADD CONSTRAINT soon UNIQUE (id, email) DEFERRABLE;"
        "CREATE TABLE public.child (org int, id int, FOREIGN KEY (org, id) REFERENCES person (org, id))"
    )
    steps = {s.object: s for s in enable(database, live_keys=["*"])}
    assert steps["index public.person_email_key"].status == "done"
    assert "child_org_id_fkey of public.child refers to it" in steps["index public.person_org_id_key"].note
    assert "deferrable" in steps["index public.soon"].note
    assert "ACCESS EXCLUSIVE" in steps["index public.person_email_key"].note
    assert not any("person_pkey" in name for name in steps)


NOT_LIVE = {
    "absent": ("", "other", "index", "42704", "person_email_key"),
    "primary key": ("", "person_pkey", "index", "55000", "primary key"),
    "referred to": (
        "CREATE TABLE public.child (email text REFERENCES person (email))",
        "person_email_key",
        "index",
        "55000",
        "child_email_fkey of public.child refers to it",
    ),
    "replica identity": (
        "ALTER TABLE person ALTER email SET NOT NULL, REPLICA IDENTITY USING INDEX person_email_key",
        "person_email_key",
        "index",
        "55000",
        "replica identity",
    ),
    "deferrable": (
        "ALTER TABLE person ADD CONSTRAINT d UNIQUE (org, id) DEFERRABLE",
        "d",
        "index",
        "55000",
        "'column'",
    ),
    "expression": (
        "CREATE UNIQUE INDEX e ON person (lower(email))",
        "e",
        "column",
        "55000",
        "'index'",
    ),
    "predicate": (
        "CREATE UNIQUE INDEX e ON person (email) WHERE org = 1",
        "e",
        "column",
        "55000",
        "'index'",
    ),
    "nulls": (
        "CREATE UNIQUE INDEX e ON person (id, email) NULLS NOT DISTINCT",
        "e",
        "column",
        "55000",
        "'index'",
    ),
    "exclusion": (
        "ALTER TABLE person ADD CONSTRAINT x EXCLUDE (org WITH =, id WITH =)",
        "x",
        "column",
        "55000",
        "more",
    ),
    "generated": (
        "ALTER TABLE person ADD g int GENERATED ALWAYS AS (id) STORED UNIQUE",
        "person_g_key",
        "column",
        "55000",
        "generated",
    ),
    "taken": (
        "ALTER TABLE person ADD live_email text",
        "person_email_key",
        "column",
        "42701",
        "live_email",
    ),
    "form": ("", "person_email_key", "trigger", "22023", "index or column"),
}


@pytest.mark.parametrize("case", NOT_LIVE)
def test_refused(database, case):
    setup, key, form, sqlstate, words = NOT_LIVE[case]
    database.execute(TABLE.replace("(3, NULL, 2), (4, NULL, 2)", "(3, 'c', 2), (4, 'd', 2)") + setup)
    before = database.dump()
    for dry_run in (True, False):
        with refused(sqlstate, words):
            enable(database, live_keys=[key], live_keys_as=form, dry_run=dry_run)
    assert database.dump() == before


def test_deferrable_key_by_column(person):
    person.execute("ALTER TABLE person ADD CONSTRAINT d UNIQUE (org, id) DEFERRABLE INITIALLY DEFERRED")
    enable(person, live_keys=["d"], live_keys_as="column")
    assert person.value("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'd'") == (
        "UNIQUE (live_org, id) DEFERRABLE INITIALLY DEFERRED"
    )


def test_exclusion(database):
    database.execute(
        "CREATE TABLE public.slot (id int PRIMARY KEY, during int4range, CONSTRAINT apart EXCLUDE USING gist "
        "(during WITH &&) DEFERRABLE); INSERT INTO slot VALUES (1, '[1,5)')"
    )
    before = database.dump(schema_only=True)
    enable(database, "slot", live_keys=["apart"])
    database.execute("SELECT soft_delete_slot(1); INSERT INTO slot VALUES (2, '[2,3)')")
    with refused("23P01"):
        database.execute("SELECT restore_slot(1)")
    call(
        database,
        "rollback_soft_delete",
        target="slot",
        deleted_rows="purge",
        dry_run=False,
    )
    assert database.dump(schema_only=True) == before


PARTITIONED = (
    "CREATE TABLE public.p (at date, id int, code text, PRIMARY KEY (at, id), CONSTRAINT once UNIQUE (code, at)) "
    "PARTITION BY RANGE (at); CREATE INDEX p_code ON p (code);"
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');"
    "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01') PARTITION BY RANGE (at);"
    "CREATE TABLE p2_rest PARTITION OF p2 DEFAULT; ALTER TABLE p1 RENAME CONSTRAINT p1_code_at_key TO odd;"
    "INSERT INTO p VALUES ('2024-01-01', 1, 'a'), ('2024-02-01', 2, 'a')"
)


@pytest.mark.parametrize("form", ["index", "column"])
def test_partitioned(database, form):
    database.execute(PARTITIONED)
    before = database.dump(schema_only=True)
    enable(database, "p", live_keys=["once"], live_keys_as=form, index_mode="live")
    database.execute("SELECT soft_delete_p('2024-01-01', 1); INSERT INTO p VALUES ('2024-01-01', 3, 'a')")
    with refused("23505"):
        database.execute("SELECT restore_p('2024-01-01', 1)")
    call(
        database,
        "rollback_soft_delete",
        target="p",
        deleted_rows="purge",
        dry_run=False,
    )
    assert database.dump(schema_only=True) == before


def test_index_mode_live(person):
    person.execute(
        "CREATE INDEX person_org_idx ON person (org); CREATE TABLE public.org (id int PRIMARY KEY); INSERT INTO org "
        "VALUES (1), (2); CREATE INDEX person_fk_idx ON person (org, email); CREATE INDEX person_up ON person "
        "(upper(email)) WHERE id > 0; COMMENT ON INDEX person_up IS 'up'"
    )
    before = person.dump(schema_only=True)
    enable(person, index_mode="live")
    assert person.execute(
        "SELECT c.relname, pg_get_expr(i.indpred, i.indrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
        "WHERE i.indrelid = 'person'::regclass AND i.indpred IS NOT NULL ORDER BY 1"
    ) == [
        ("person_deletion_id_idx", "(deletion_id IS NOT NULL)"),
        ("person_fk_idx", "(deleted_at IS NULL)"),
        ("person_org_idx", "(deleted_at IS NULL)"),
        ("person_up", "((id > 0) AND (deleted_at IS NULL))"),
    ]
    assert {s.status for s in enable(person, index_mode="live")} == {"skipped"}
    rollback(person, 1)
    assert person.dump(schema_only=True) == before


def test_index_mode_live_leaves_what_a_foreign_key_needs(person):
    person.execute(
        "CREATE TABLE public.org (id int PRIMARY KEY); INSERT INTO org VALUES (1), (2); ALTER TABLE person ADD "
        "CONSTRAINT belongs FOREIGN KEY (org) REFERENCES org; CREATE INDEX person_org_idx ON person (org)"
    )
    steps = enable(person, index_mode="live")
    assert "foreign key belongs" in next(s for s in steps if s.object == "index public.person_org_idx").note


def test_index_mode_none(person):
    enable(person, index_mode="none")
    assert person.value("SELECT count(*) FROM pg_index WHERE indrelid = 'person'::regclass") == 2
    person.execute("SELECT soft_delete_person(1)")
    assert person.value("SELECT lifecycle.restore(deletion_id) FROM lifecycle.deletion")["count"] == 1
    with refused("22023", "deletion, live or none"):
        enable(person, index_mode="some")


def test_marking_stays_hot_without_an_index_on_marked_rows(database):
    """What index_mode is about; the control is the index that mentions the column."""
    database.execute(
        "CREATE TABLE public.h (id int PRIMARY KEY, n int) WITH (fillfactor = 50); CREATE INDEX h_n ON h (n); "
        "INSERT INTO h SELECT i, i FROM generate_series(1, 1000) i"
    )
    enable(database, "h", index_mode="none")

    def hot(statement):
        before = rows(database, "SELECT pg_stat_get_xact_tuples_hot_updated('h'::regclass)")[0][0]
        connection = database.connect(autocommit=False)
        connection.execute(statement)
        after = rows(connection, "SELECT pg_stat_get_xact_tuples_hot_updated('h'::regclass)")[0][0]
        connection.rollback()
        return after - before

    assert hot("UPDATE h SET deleted_at = now() WHERE id % 10 = 0") == 100
    enable(database, "h", index_mode="deletion")
    assert hot("UPDATE h SET deleted_at = now() WHERE id % 10 = 0") == 0
    assert hot("UPDATE h SET deleted_at = deleted_at WHERE id % 10 = 0") == 100
