"""Live foreign keys: a live row may not refer to a deleted one, whoever writes it and in whatever order."""

from __future__ import annotations

import pytest

from harness.calls import call, refused

TABLES = """
CREATE TABLE public.parent (a int, b text, PRIMARY KEY (a, b), UNIQUE (b, a));
CREATE TABLE public.child (id int PRIMARY KEY, a int, b text, note text,
    CONSTRAINT belongs FOREIGN KEY (a, b) REFERENCES public.parent ON DELETE CASCADE {timing});
INSERT INTO public.parent VALUES (1, 'x'), (2, 'y'), (3, 'z');
INSERT INTO public.child VALUES (1, 1, 'x'), (2, 2, 'y'), (3, NULL, 'y');
"""


@pytest.fixture
def family(database):
    """The row 3 of parent is deleted, and no child refers to it."""
    database.execute(TABLES.format(timing=""))
    call(database, "enable_soft_delete", target="public.parent")
    call(
        database,
        "enable_soft_delete",
        target="public.child",
        live_foreign_keys=["belongs"],
    )
    database.execute("SELECT soft_delete_parent(3, 'z')")
    return database


WRITES = {
    "insert": "INSERT INTO child VALUES (9, 3, 'z')",
    "insert through the view": "INSERT INTO active_child VALUES (9, 3, 'z')",
    "upsert": "INSERT INTO child VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 3, b = 'z'",
    "copy": "COPY child (id, a, b) FROM STDIN",
    "update": "UPDATE child SET a = 3, b = 'z' WHERE id = 1",
    "restore": "UPDATE child SET deleted_at = NULL WHERE id = 4",
    "restore by function": "SELECT lifecycle.restore('child', 4)",
    "restore unasked": "UPDATE child SET note = 'restore me' WHERE id = 4",
    "merge": "MERGE INTO child USING (VALUES (1)) AS s (id) ON child.id = s.id WHEN MATCHED THEN UPDATE SET a = 3, "
    "b = 'z'",
    "as a replica": "SET session_replication_role = replica; INSERT INTO child VALUES (9, 3, 'z')",
}


@pytest.mark.parametrize("way", WRITES)
def test_refused(family, way):
    family.execute(
        "INSERT INTO child (id, a, b, deleted_at) VALUES (4, 3, 'z', now()); CREATE FUNCTION public.unask() RETURNS "
        "trigger LANGUAGE plpgsql AS $$BEGIN NEW.deleted_at := NULL; RETURN NEW; END$$; CREATE TRIGGER unask BEFORE "
        "UPDATE ON child FOR EACH ROW WHEN (NEW.note = 'restore me') EXECUTE FUNCTION unask()"
    )
    before = family.execute("SELECT * FROM child ORDER BY id")
    connection = family.connect()
    with refused("0A000" if way == "restore unasked" else "23503"):
        if way == "copy":
            with connection.cursor().copy(WRITES[way]) as copy:
                copy.write_row((9, 3, "z"))
        else:
            connection.execute(WRITES[way])
    assert family.execute("SELECT * FROM child ORDER BY id") == before


def test_what_the_error_says(family):
    with refused(
        "23503",
        'insert or update on table "child" violates live foreign key "belongs"',
        "public.parent",
        "(3, z)",
    ):
        family.execute("INSERT INTO child VALUES (9, 3, 'z')")


def test_allowed(family):
    family.execute(
        "INSERT INTO child VALUES (5, 1, 'x'), (6, NULL, 'z'), (7, 3, NULL);"
        "INSERT INTO child (id, a, b, deleted_at) VALUES (8, 3, 'z', now());"
        "UPDATE child SET note = 'x'; UPDATE child SET a = 2, b = 'y' WHERE id = 1"
    )
    assert family.value("SELECT count(*) FROM active_child") == 6


@pytest.mark.parametrize("timing", ["DEFERRABLE", "DEFERRABLE INITIALLY DEFERRED"])
def test_deferred(database, timing):
    database.execute(TABLES.format(timing=timing))
    call(database, "enable_soft_delete", target="parent")
    call(database, "enable_soft_delete", target="child", live_foreign_keys=["*"])
    database.execute("SELECT soft_delete_parent(3, 'z')")
    connection = database.connect(autocommit=False)
    connection.execute("SET CONSTRAINTS ALL DEFERRED; INSERT INTO child VALUES (9, 3, 'z'), (10, 4, 'new')")
    connection.execute("UPDATE parent SET deleted_at = NULL; INSERT INTO parent VALUES (4, 'new')")
    connection.commit()
    connection.execute("SET CONSTRAINTS ALL DEFERRED; UPDATE parent SET deleted_at = now() WHERE a = 1")
    connection.execute("INSERT INTO child VALUES (11, 1, 'x')")
    with refused("23503", "belongs"):
        connection.commit()
    connection.rollback()
    database.execute("DELETE FROM child WHERE id = 9; SELECT soft_delete_parent(3, 'z')")
    connection.execute("SET CONSTRAINTS ALL DEFERRED; INSERT INTO child VALUES (9, 3, 'z')")
    connection.execute("DELETE FROM active_child WHERE id = 9")
    connection.commit()
    assert database.value("SELECT deleted_at IS NOT NULL FROM child WHERE id = 9"), "gone before it was checked"


def test_a_child_that_cannot_be_marked(database):
    database.execute(TABLES.format(timing=""))
    before = database.dump(schema_only=True)
    call(database, "enable_soft_delete", target="parent", live_foreign_keys=["belongs"])
    database.execute("SELECT soft_delete_parent(3, 'z')")
    with refused("23503"):
        database.execute("UPDATE child SET a = 3, b = 'z' WHERE id = 1")
    with refused("23503"):
        database.execute("INSERT INTO child VALUES (9, 3, 'z')")
    call(
        database,
        "rollback_soft_delete",
        target="parent",
        deleted_rows="restore",
        dry_run=False,
    )
    assert database.dump(schema_only=True) == before


def test_names(family):
    with refused("42704", "public.child has no foreign key other"):
        call(family, "enable_soft_delete", target="child", live_foreign_keys=["other"])
    family.execute("CREATE TABLE elsewhere (id int PRIMARY KEY); ALTER TABLE child ADD e int REFERENCES elsewhere")
    with refused(
        "55000",
        "child_e_fkey of public.child does not lead",
        "enable_soft_delete('public.elsewhere')",
    ):
        call(
            family,
            "enable_soft_delete",
            target="child",
            live_foreign_keys=["child_e_fkey"],
        )
    assert {s.status for s in call(family, "enable_soft_delete", target="child", live_foreign_keys=["*"])} == {
        "skipped"
    }


def test_partitioned(database):
    database.execute(
        "CREATE TABLE public.p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES "
        "FROM (0) TO (10); CREATE TABLE public.c (id int, p int REFERENCES p, PRIMARY KEY (id)) PARTITION BY RANGE "
        "(id); CREATE TABLE c1 PARTITION OF c FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1), (2)"
    )
    before = database.dump(schema_only=True)
    call(database, "enable_soft_delete", target="p")
    call(database, "enable_soft_delete", target="c", live_foreign_keys=["*"])
    database.execute("SELECT soft_delete_p(1); CREATE TABLE c2 PARTITION OF c FOR VALUES FROM (10) TO (20)")
    for statement in (
        "c VALUES (1, 1)",
        "c VALUES (11, 1)",
        "c1 VALUES (1, 1)",
        "c2 VALUES (11, 1)",
    ):
        with refused("23503"):
            database.execute(f"INSERT INTO {statement}")
    database.execute("INSERT INTO c VALUES (1, 2); DROP TABLE c2")
    call(database, "rollback_soft_delete", target="c", dry_run=False)
    call(
        database,
        "rollback_soft_delete",
        target="p",
        deleted_rows="restore",
        dry_run=False,
    )
    assert database.dump(schema_only=True) == before


def test_after_renames(family):
    family.execute(
        "ALTER TABLE parent RENAME TO elder; ALTER TABLE elder RENAME COLUMN b TO bb; ALTER TABLE child RENAME a TO aa"
    )
    call(family, "sync_active_view", target="elder")
    call(family, "sync_active_view", target="child")
    with refused("23503", "live foreign key", "public.elder"):
        family.execute("INSERT INTO child VALUES (9, 3, 'z')")
    family.execute("INSERT INTO child VALUES (9, 2, 'y')")


@pytest.fixture
def owned(database, roles):
    """Parent and child belong to two roles, the parent with policies."""
    elder, younger = roles("elder"), roles("younger")
    for role in (elder, younger):
        call(database, "grant_lifecycle_admin", role_name=role)
    database.execute(
        TABLES.format(timing="") + f"ALTER TABLE parent OWNER TO {elder}; ALTER TABLE child OWNER TO {younger}; "
        f"GRANT CREATE ON SCHEMA public TO {elder}, {younger}; ALTER TABLE parent ENABLE ROW LEVEL SECURITY"
    )
    call(database, "enable_soft_delete", target="parent", follow_foreign_keys=False)
    database.elder, database.younger = elder, younger
    return database


def test_owners_differ(owned):
    for role, target in ((owned.elder, "parent"), (owned.younger, "child")):
        with refused("42501", "must be owner of public."):
            call(owned.connect(role), "enable_soft_delete", target=target, live_foreign_keys=["belongs"])
    call(owned, "enable_soft_delete", target="parent", live_foreign_keys=["belongs"], follow_foreign_keys=False)
    owned.execute("SELECT soft_delete_parent(3, 'z')")
    child = owned.connect(owned.younger)
    with refused("23503", "live foreign key"):
        child.execute("INSERT INTO child VALUES (9, 3, 'z')")
    child.execute("INSERT INTO child VALUES (9, 2, 'y')")
    owned.execute("ALTER TABLE parent FORCE ROW LEVEL SECURITY")
    with refused("42501", "whether a row of public.parent is live cannot be seen", "NO FORCE"):
        child.execute("INSERT INTO child VALUES (10, 3, 'z')")


@pytest.mark.parametrize("first", ["child", "parent"])
def test_race(family, session, observer, first):
    """Whoever comes second waits, and then sees the other: never a live child under a deleted parent."""
    family.execute(
        "ALTER TABLE child DROP CONSTRAINT belongs, ADD CONSTRAINT belongs FOREIGN KEY (a, b) REFERENCES parent"
    )
    one, two = session(family, name="one", autocommit=False), session(family, name="two", autocommit=False)
    family.execute("DELETE FROM child")
    delete, insert = "UPDATE parent SET deleted_at = now() WHERE a = 1", "INSERT INTO child VALUES (9, 1, 'x')"
    one.run(insert if first == "child" else delete)
    two.start(delete if first == "child" else insert)
    assert observer.settle(two, [one]) == "blocked"
    one.connection.commit()
    with refused("23503"):
        two.result()
    two.connection.rollback()
    assert (
        family.execute(
            "SELECT c.id FROM child AS c JOIN parent AS p USING (a, b) WHERE c.deleted_at IS NULL AND "
            "p.deleted_at IS NOT NULL"
        )
        == []
    )
