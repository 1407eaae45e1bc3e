"""Erasing a data subject: live, deleted and archived rows, and what hangs on them."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

TABLES = """
CREATE TABLE public.person (id int PRIMARY KEY, email text UNIQUE, boss int REFERENCES public.person ON DELETE CASCADE);
CREATE TABLE public.trip (at date, person int REFERENCES public.person ON DELETE CASCADE, n int, PRIMARY KEY (at, n));
CREATE TABLE public.photo (at date, n int, name text, FOREIGN KEY (at, n) REFERENCES public.trip ON DELETE CASCADE);
CREATE TABLE public.note (id int PRIMARY KEY, person int REFERENCES public.person ON DELETE SET NULL);
CREATE TABLE public.bill (id int PRIMARY KEY, person int REFERENCES public.person);
CREATE TABLE public.person_archive (LIKE public.person);
CREATE TABLE public.trip_archive (LIKE public.trip);
INSERT INTO person VALUES (1, 'ann@x', NULL), (2, 'bob@x', 1), (3, 'cid@x', NULL), (4, 'dan@x', NULL);
INSERT INTO trip VALUES ('2024-01-01', 1, 1), ('2024-01-02', 2, 2), ('2024-01-03', 3, 3);
INSERT INTO photo VALUES ('2024-01-01', 1, 'a'), ('2024-01-01', 1, 'b'), ('2024-01-03', 3, 'c');
INSERT INTO note VALUES (1, 1), (2, 3);
INSERT INTO person_archive VALUES (1, 'ann@old', NULL), (9, 'eve@x', 1), (10, 'fay@x', NULL);
INSERT INTO trip_archive VALUES ('2020-01-01', 9, 1), ('2020-01-02', 3, 2);
CREATE MATERIALIZED VIEW public.many AS SELECT person, count(*) FROM trip GROUP BY person;
"""
EXPECTED = {
    "person": (1, 1, 2, 4),
    "trip": (2, 0, 1, 3),
    "photo": (2, 0, 0, 2),
}


@pytest.fixture
def person(database):
    database.execute(TABLES)
    call(database, "enable_soft_delete", target="person", intercept=True, follow_foreign_keys=False)
    database.execute("SET lifecycle.reason = 'ann asked'; UPDATE person SET deleted_at = now() WHERE id = 1")
    return database


def erase(place, key="1", **more):
    named = "".join(f", {name} => %s" for name in more)
    found = rows(place, f"SELECT * FROM lifecycle.erase('public.person', %s::text{named})", [key, *more.values()])
    return {row[1]: row[2:] for row in found}


def test_dry_run(person):
    before = person.dump(sort_rows=True)
    found = erase(person)
    assert {name: found[name][:3] for name in EXPECTED} == {name: line[:3] for name, line in EXPECTED.items()}
    assert [found[name][3:5] for name in EXPECTED] == [(0, line[3]) for line in EXPECTED.values()]
    assert found["note"][4:] == (1, "foreign key note_person_fkey: the reference is taken away, the row stays")
    assert "REFRESH MATERIALIZED VIEW public.many" in found["many"][5]
    assert person.dump(sort_rows=True) == before


def test_erases(person):
    found = erase(person, dry_run=False)
    assert {name: found[name][:4] for name in EXPECTED} == EXPECTED
    assert [found[name][4] for name in EXPECTED] == [0, 0, 0]
    assert person.execute("SELECT id FROM person ORDER BY 1") == [(3,), (4,)]
    assert person.execute("SELECT id FROM person_archive") == [(10,)]
    assert person.execute("SELECT n FROM trip UNION ALL SELECT n FROM trip_archive ORDER BY 1") == [(2,), (3,)]
    assert person.execute("SELECT name FROM photo") == [("c",)]
    assert person.execute("SELECT id, person FROM note ORDER BY id") == [(1, None), (2, 3)]
    assert person.execute("SELECT row_count, reason FROM lifecycle.deletion") == [(1, None)]
    person.execute("DELETE FROM person WHERE id = 3")
    assert person.value("SELECT count(*) FROM person") == 2, "interception goes on"
    assert erase(person, "77", dry_run=False)["person"][:4] == (0, 0, 0, 0)


def test_references_that_a_deletion_has_recorded(database):
    database.execute(TABLES)
    for table in ("person", "trip", "note"):
        call(database, "enable_soft_delete", target=table)
    database.execute("DELETE FROM photo; SELECT soft_delete_person(1), soft_delete_person(3)")
    assert database.execute("SELECT row_key, old_values FROM lifecycle.deletion_change ORDER BY change_id") == [
        ({"id": 1}, {"person": 1}),
        ({"id": 2}, {"person": 3}),
    ]
    erase(database, dry_run=False)
    assert database.execute("SELECT old_values FROM lifecycle.deletion_change") == [({"person": 3},)]
    erase(database, "3", dry_run=False)
    assert database.execute("SELECT old_values FROM lifecycle.deletion_change") == []


def test_forms(person):
    for key in ("3", "3::bigint", "'3'::text", "'{\"id\": 3}'::jsonb", "'3'::jsonb"):
        found = person.execute(f"SELECT live FROM lifecycle.erase('person', {key}) WHERE table_name = 'person'")
        assert found == [(1,)]
    with refused("22023", "is not a key"):
        person.execute("SELECT lifecycle.erase('person', '{\"email\": 3}'::jsonb)")


def test_what_is_in_the_way(person):
    person.execute("INSERT INTO bill VALUES (1, 2), (2, 3)")
    assert erase(person)["bill"][4:] == (1, "foreign key bill_person_fkey refuses")
    before = person.dump(sort_rows=True)
    with refused("23503", "1 rows of public.bill", "bill_person_fkey"):
        erase(person, dry_run=False)
    assert person.dump(sort_rows=True) == before


def test_a_trigger_that_keeps_a_row(person):
    person.execute(
        "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$; "
        "CREATE TRIGGER keep BEFORE DELETE ON photo FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    with refused("55000", "2 rows of public.photo could not be erased"):
        erase(person, dry_run=False)


def test_row_level_security(person, roles):
    app = roles("app")
    call(person, "grant_lifecycle_admin", role_name=app)
    person.execute(
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {app}; ALTER TABLE photo ENABLE ROW LEVEL SECURITY; "
        f"CREATE POLICY p ON photo TO {app} USING (name = 'a')"
    )
    for dry_run in (True, False):
        with refused("42501", "may hide rows of public.photo", "BYPASSRLS"):
            erase(person.connect(app), dry_run=dry_run)


def test_only_the_owner_of_an_intercepted_table(person, roles):
    app = roles("app")
    call(person, "grant_lifecycle_admin", role_name=app)
    person.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {app}")
    with refused("42501", "must be owner of public.person"):
        erase(person.connect(app), dry_run=False)


def test_cycle_and_partitions(database):
    database.execute(
        "CREATE TABLE public.a (id int PRIMARY KEY, b int); CREATE TABLE public.b (id int, a int REFERENCES a ON "
        "DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id); CREATE TABLE b1 PARTITION OF b DEFAULT; "
        "ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;"
        "BEGIN; INSERT INTO a VALUES (1, 1), (2, 2), (3, 3); INSERT INTO b VALUES (1, 2), (2, 1), (3, 3); COMMIT"
    )
    database.execute("SELECT lifecycle.erase('a', 1, dry_run => false)")
    assert database.execute("SELECT id FROM a UNION ALL SELECT id FROM b") == [(3,), (3,)]


def test_hostile_names(database):
    database.execute(
        'CREATE SCHEMA "s""%"; CREATE TABLE "s""%"."t {table} \'" ("k"" %s" text PRIMARY KEY, "a""b" int UNIQUE); '
        'CREATE TABLE "s""%"."t {table} \'_archive" ("k"" %s" text, "a""b" int); CREATE TABLE "s""%"."c\\" (" " int '
        'REFERENCES "s""%"."t {table} \'" ("a""b") ON DELETE CASCADE, "" int)'.replace(', "" int', "")
    )
    database.execute(
        """INSERT INTO "s""%"."t {table} '" VALUES ('it''s "1"', 1); INSERT INTO "s""%"."c\\" VALUES (1)"""
    )
    name = database.value("""SELECT '"s""%"."t {table} ''"'::regclass::text""")
    call(database, "enable_soft_delete", target=name, intercept=True, live_keys=["*"])
    found = database.execute(
        "SELECT sum(erased)::int FROM lifecycle.erase(%s::regclass, %s::text, dry_run => false)", [name, 'it\'s "1"']
    )
    assert found == [(2,)]
