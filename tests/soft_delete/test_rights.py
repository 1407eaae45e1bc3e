"""Who may delete what: PostgreSQL decides, by privileges and policies of the table, whichever way is taken."""

from __future__ import annotations

from typing import NamedTuple

import psycopg
import pytest

from harness.calls import call, refused, rows

SETUP = """
CREATE TABLE public.doc (id int PRIMARY KEY, owner text NOT NULL, body text);
INSERT INTO public.doc SELECT i, CASE WHEN i <= 3 THEN 'me' ELSE 'you' END, 'd' || i FROM generate_series(1, 6) AS i;
"""
WAYS = {
    "view": "DELETE FROM active_doc WHERE id = %s",
    "rpc": "SELECT soft_delete_doc(%s)",
    "function": "SELECT lifecycle.soft_delete('doc', %s)",
    "many rows": "SELECT lifecycle.soft_delete('doc', to_jsonb(%s::int))",
}
MINE = "owner = 'me'"
LIVE = "owner = 'me' AND deleted_at IS NULL"


@pytest.fixture
def doc(database, roles):
    database.execute(SETUP)
    database.role = roles("app")
    call(database, "grant_lifecycle_use", role_name=database.role)
    database.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON doc TO {database.role}")
    call(database, "enable_soft_delete", target="public.doc")
    return database


def policies(database, **given):
    database.execute("ALTER TABLE doc ENABLE ROW LEVEL SECURITY")
    for command, condition in given.items():
        clause = "WITH CHECK" if command == "insert" else "USING"
        database.execute(f"CREATE POLICY p_{command} ON doc FOR {command} TO {database.role} {clause} ({condition})")


def marked(database):
    return [row[0] for row in database.execute("SELECT id FROM doc WHERE deleted_at IS NOT NULL ORDER BY id")]


def attempt(database, way, key, user=None):
    """Tries as the application; returns what was marked. An error of missing rights counts as nothing."""
    connection = database.connect(user or database.role)
    connection.execute("SET lifecycle.reason = 'test'")
    try:
        rows(connection, WAYS[way].replace("%s", str(key)))
    except psycopg.Error as error:
        if error.sqlstate != "42501":
            raise
    connection.close()
    assert database.value("SELECT count(*) FROM doc") == 6, "nothing is really deleted"
    return marked(database)


# policies for the role -> may it soft-delete its own row 1, and the row 4 of another?
MATRIX = {
    "no policies at all": ({}, [], []),
    "all own": ({"all": MINE}, [1], []),
    "own, and the hidden trap": ({"select": LIVE, "update": MINE, "delete": MINE}, [1], []),
    "sees all, deletes own": ({"select": "true", "delete": MINE}, [1], []),
    "sees all, updates all, deletes own": ({"select": "true", "update": "true", "delete": MINE}, [1], []),
    "sees and updates all, no policy for delete": ({"select": "true", "update": "true"}, [1], [4]),
    "updates own, no policy for delete": ({"select": "true", "update": MINE}, [1], []),
    "sees own only": ({"select": MINE, "update": "true", "delete": "true"}, [1], []),
    "may delete nothing": ({"select": "true", "update": "true", "delete": "false"}, [], []),
    "reads only": ({"select": "true"}, [], []),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("case", MATRIX)
def test_policies(doc, case, way):
    given, own, others = MATRIX[case]
    policies(doc, **given)
    assert attempt(doc, way, 4) == others
    assert attempt(doc, way, 1) == own + others
    if own:
        assert doc.value(
            "SELECT d.row_count = 1 AND d.effective_role = %s AND d.reason = 'test' FROM lifecycle.deletion d JOIN "
            "doc USING (deletion_id) "
            "WHERE id = 1",
            [doc.role],
        )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("privileges", "allowed"),
    [
        ("SELECT, DELETE", True),
        ("SELECT, UPDATE", True),
        ("SELECT, INSERT", False),
        ("DELETE", False),
        ("UPDATE", False),
        ("", False),
    ],
)
def test_privileges(database, roles, way, privileges, allowed):
    database.execute(SETUP)
    database.role = roles("app")
    call(database, "grant_lifecycle_use", role_name=database.role)
    if privileges:
        database.execute(f"GRANT {privileges} ON doc TO {database.role}")
    call(database, "enable_soft_delete", target="public.doc")
    if way == "view" and privileges == "SELECT, UPDATE":
        database.execute(f"GRANT DELETE ON active_doc TO {database.role}")
    assert attempt(database, way, 1) == ([1] if allowed else [])


@pytest.mark.parametrize("way", WAYS)
def test_restrictive_policy(doc, way):
    policies(doc, all="true")
    doc.execute(f"CREATE POLICY stop ON doc AS RESTRICTIVE FOR DELETE TO {doc.role} USING (id <> 1)")
    assert attempt(doc, way, 1) == []
    assert attempt(doc, way, 4) == [4]


@pytest.mark.parametrize("way", WAYS)
def test_bypassrls_and_superuser(doc, roles, way):
    policies(doc)
    bypass = roles("bypass", "BYPASSRLS")
    call(doc, "grant_lifecycle_use", role_name=bypass)
    doc.execute(
        f"GRANT SELECT, DELETE ON doc, active_doc TO {bypass}; GRANT EXECUTE ON FUNCTION soft_delete_doc(int) TO "
        f"{bypass}"
    )
    assert attempt(doc, way, 4, bypass) == [4]
    doc.execute(WAYS[way].replace("%s", "5"))
    assert marked(doc) == [4, 5]


@pytest.fixture
def owned(database, roles):
    """The table belongs to an ordinary role."""
    owner = roles("owner")
    database.execute(SETUP + f"ALTER TABLE doc OWNER TO {owner}; GRANT CREATE ON SCHEMA public TO {owner}")
    call(database, "grant_lifecycle_admin", role_name=owner)
    call(database.connect(owner), "enable_soft_delete", target="public.doc")
    database.role = owner
    return database


@pytest.mark.parametrize("way", WAYS)
def test_owner(owned, way):
    policies(owned)
    assert attempt(owned, way, 4) == [4]
    assert owned.value("SELECT effective_role FROM lifecycle.deletion") == owned.role


@pytest.mark.parametrize("way", WAYS)
def test_forced_policies_on_the_owner(owned, roles, way):
    policies(owned)
    owned.execute("ALTER TABLE doc FORCE ROW LEVEL SECURITY")
    assert attempt(owned, way, 1) == []
    app = roles("app")
    call(owned, "grant_lifecycle_use", role_name=app)
    owned.execute(
        f"GRANT SELECT, DELETE ON doc, active_doc TO {app}; GRANT EXECUTE ON FUNCTION soft_delete_doc(int) TO {app}; "
        f"CREATE POLICY app ON doc TO {app} USING (true)"
    )
    connection = owned.connect(app)
    with refused("42501", "could not be marked as deleted", "NO FORCE ROW LEVEL SECURITY"):
        rows(connection, WAYS[way].replace("%s", "1"))
    owned.execute(f"CREATE POLICY mine ON doc TO {owned.role} USING (true)")
    assert attempt(owned, way, 1, app) == [1]


def test_restore_needs_the_right_to_update(doc):
    policies(doc, select="true", delete="true", update=MINE)
    doc.execute("UPDATE doc SET deleted_at = now()")
    number = doc.value("SELECT deletion_id FROM lifecycle.deletion")
    connection = doc.connect(doc.role)
    assert rows(connection, "SELECT restore_doc(4)")[0][0]["status"] == "not_deleted"
    assert marked(doc) == [1, 2, 3, 4, 5, 6]
    assert rows(connection, "SELECT restore_doc(1)")[0][0]["status"] == "restored"
    assert rows(connection, "SELECT lifecycle.restore(%s)", [number])[0][0]["count"] == 2
    assert marked(doc) == [4, 5, 6]


def test_records_are_seen_by_readers_of_the_table(doc, roles):
    doc.execute("SELECT soft_delete_doc(1)")
    stranger = roles("stranger")
    call(doc, "grant_lifecycle_use", role_name=stranger)
    assert rows(doc.connect(doc.role), "SELECT row_count FROM lifecycle.deletion") == [(1,)]
    assert rows(doc.connect(stranger), "SELECT row_count FROM lifecycle.deletion") == []
    number = doc.value("SELECT deletion_id FROM lifecycle.deletion")
    with refused("P0002", "not yours to read"):
        rows(doc.connect(stranger), "SELECT lifecycle.restore(%s)", [number])
    for statement in (
        "DELETE FROM lifecycle.deletion",
        "UPDATE lifecycle.deletion SET reason = 'x'",
        "INSERT INTO lifecycle.deletion (table_schema, table_name, table_oid) VALUES ('public', 'doc', "
        "'doc'::regclass)",
    ):
        with refused("42501"):
            rows(doc.connect(doc.role), statement)


# An ordinary role may write any setting. It must not reach another's deletion, nor really delete what would be marked.
PLANTED = [
    "'{2,%(oid)s,%(id)s,7}'",
    "'{1,%(oid)s,%(id)s,7}'",
    "'{-2,%(oid)s,%(id)s,7}'",
    "'{-3,%(oid)s,%(id)s,7}'",
    "'{-4,%(oid)s,%(id)s,7}'",
    "'{-5,%(oid)s,%(id)s,7}'",
    "'{-7,%(oid)s,%(id)s,7}'",
    "'{3,%(oid)s,%(id)s,7}'",
]
WRITES = [
    "UPDATE doc SET deleted_at = now() WHERE id = 5",
    "DELETE FROM active_doc WHERE id = 5",
    "SELECT soft_delete_doc(5)",
    "SELECT lifecycle.soft_delete('doc', 5)",
]


@pytest.mark.parametrize("planted", PLANTED)
@pytest.mark.parametrize("write", WRITES)
def test_planted_numbers(doc, planted, write):
    doc.execute("UPDATE doc SET deleted_at = now() WHERE id < 3")
    number, oid = doc.execute("SELECT deletion_id, table_oid FROM lifecycle.deletion")[0]
    connection = doc.connect(doc.role)
    try:
        connection.execute(f"SET lifecycle.deletion = {planted % {'oid': oid, 'id': number}}")
        connection.execute(f"SET lifecycle.restored = {planted % {'oid': oid, 'id': number}}")
        connection.execute(write)
    except psycopg.Error as error:  # refused, or no number was ever drawn in that session
        if error.sqlstate not in ("42501", "55000"):
            raise
    assert doc.execute("SELECT id FROM doc WHERE deletion_id = %s ORDER BY id", [number]) == [(1,), (2,)]
    assert doc.execute("SELECT row_count, restored_count FROM lifecycle.deletion WHERE deletion_id = %s", [number]) == [
        (2, 0)
    ]


def test_planted_in_the_middle_of_a_statement(doc):
    doc.execute("UPDATE doc SET deleted_at = now() WHERE id < 3")
    number, oid = doc.execute("SELECT deletion_id, table_oid FROM lifecycle.deletion")[0]
    connection = doc.connect(doc.role)
    connection.execute("UPDATE doc SET deleted_at = now() WHERE id = 3")
    with refused("42501", f"deletion {number} does not belong to this statement"):
        connection.execute(
            f"UPDATE doc SET deleted_at = now() WHERE set_config('lifecycle.deletion', '{{1,{oid},{number},0}}', "
            f"false) <> ''"
        )
    assert marked(doc) == [1, 2, 3]


@pytest.mark.parametrize("value", ["on", "public.doc", "doc", "true", ""])
def test_pretended_soft_delete(doc, value):
    connection = doc.connect(doc.role)
    connection.execute("SELECT set_config('lifecycle.soft_delete', %s, false)", [value])
    connection.execute("DELETE FROM doc WHERE id IN (1, 4)")
    left = doc.execute("SELECT id, deleted_at IS NULL FROM doc ORDER BY id")
    if value == "public.doc":  # the role marks what it may delete, as one deletion
        assert [key for key, is_live in left if not is_live] == [1, 4]
        assert doc.execute("SELECT row_count, effective_role FROM lifecycle.deletion") == [(2, doc.role)]
    else:
        assert [key for key, _ in left] == [2, 3, 5, 6]
    connection.execute("UPDATE doc SET body = 'x'")
    connection.execute("SELECT soft_delete_doc(5)")
    assert doc.value("SELECT deleted_at IS NOT NULL FROM doc WHERE id = 5")


def test_garbage_in_a_setting_harms_its_writer_only(doc):
    connection = doc.connect(doc.role)
    connection.execute("SET lifecycle.deletion = 'garbage'")
    with refused("22P02"):
        connection.execute("UPDATE doc SET deleted_at = now() WHERE id = 1")
    doc.execute("SELECT soft_delete_doc(1)")
    assert marked(doc) == [1]


def test_a_callers_temporary_table_is_not_found_by_the_owners_trigger(doc):
    """The UPDATE behind a DELETE runs with the owner's rights: what a trigger names must not be the caller's."""
    doc.execute(
        "CREATE TABLE public.audit (doc int); CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END$$; "
        "CREATE TRIGGER note BEFORE UPDATE ON doc FOR EACH ROW EXECUTE FUNCTION note()"
    )
    doc.execute(f"REVOKE UPDATE ON doc FROM {doc.role}")
    connection = doc.connect(doc.role)
    connection.execute(
        "CREATE TEMP TABLE audit (doc int); CREATE FUNCTION pg_temp.steal() RETURNS trigger LANGUAGE plpgsql AS "
        "$$BEGIN RAISE EXCEPTION 'ran as %', current_user; END$$; "
        "CREATE TRIGGER steal BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION pg_temp.steal()"
    )
    connection.execute("SELECT soft_delete_doc(1)")
    connection.execute("DELETE FROM active_doc WHERE id = 2")
    assert doc.execute("SELECT doc FROM public.audit ORDER BY 1") == [(1,), (2,)]


def test_other_roles_functions_cannot_be_called(doc, roles):
    nobody = doc.connect(roles("nobody"))
    for statement in (
        "SELECT soft_delete_doc(1)",
        "SELECT restore_doc(1)",
        "DELETE FROM active_doc",
        "SELECT * FROM active_doc",
        "SELECT lifecycle.soft_delete('doc', 1)",
    ):
        with refused("42501"):
            rows(nobody, statement)


def test_owner_who_is_no_longer_an_administrator(owned):
    """Marks go on, numbered by the clock; there is no record."""
    owned.execute(f"REVOKE ALL ON lifecycle.deletion, lifecycle.deletion_deletion_id_seq FROM {owned.role}")
    connection = owned.connect(owned.role)
    connection.execute("DELETE FROM active_doc WHERE id < 3")
    connection.execute("UPDATE doc SET deleted_at = now() WHERE id = 3")
    assert owned.value(
        "SELECT array_agg(n) FROM (SELECT count(*)::int AS n FROM doc WHERE deletion_id IS NOT NULL GROUP BY "
        "deletion_id ORDER BY 1) x"
    ) == [1, 2]
    connection.execute("UPDATE doc SET deleted_at = NULL")
    assert marked(owned) == []


# ------------------------------------------------------------- every kind of role, every way, with every option

FAMILY = """
CREATE TABLE public.folder (id int PRIMARY KEY);
CREATE TABLE public.doc (id int PRIMARY KEY, owner text NOT NULL, body text UNIQUE,
    folder int REFERENCES folder ON DELETE CASCADE);
CREATE TABLE public.line (id int PRIMARY KEY, doc int REFERENCES doc ON DELETE CASCADE);
INSERT INTO folder VALUES (1);
INSERT INTO doc
SELECT i, CASE WHEN i IN (1, 2, 3, 7) THEN 'me' ELSE 'you' END, 'd' || i, 1 FROM generate_series(1, 8) i;
INSERT INTO line SELECT i, i FROM generate_series(1, 8) i;
"""
OPTIONS = {
    "plain": {},
    "foreign keys not followed": {"follow_foreign_keys": False},
    "intercepted": {"intercept": True},
    "everything": {
        "intercept": True,
        "live_keys": ["*"],
        "live_keys_as": "column",
        "live_foreign_keys": ["doc_folder_fkey"],
        "index_mode": "live",
    },
}

FORCE = "ALTER TABLE doc FORCE ROW LEVEL SECURITY"
PART = "CREATE POLICY {0}_{1} ON doc FOR {1} TO {0} USING ({2})"
ALL, OWN, NONE = frozenset(range(1, 9)), frozenset({1, 2, 3, 7}), frozenset()


class Actor(NamedTuple):
    """What is done first, the policies for it; rows that it sees, may mark, bring back, purge, erase."""

    first: str = "SELECT 1"
    policies: dict = {}  # noqa: RUF012
    sees: frozenset = NONE
    marks: frozenset = NONE
    restores: frozenset = NONE
    purges: frozenset = NONE
    erases: frozenset = NONE


ACTORS = {
    "owner": Actor("SELECT 1", {}, ALL, ALL, ALL, ALL, ALL),
    "owner, forced, no policy": Actor(FORCE),
    "owner, forced, own rows": Actor(FORCE, {"all": MINE}, OWN, OWN, OWN, OWN),
    "own rows": Actor("SELECT 1", {"all": MINE}, OWN, OWN, OWN, OWN),
    "own rows, deleted ones hidden": Actor(
        "SELECT 1", {"select": LIVE, "update": MINE, "delete": MINE}, OWN - {7}, OWN - {7}
    ),
    "reads all, deletes own": Actor("SELECT 1", {"select": "true", "delete": MINE}, ALL, OWN),
    "reads all, updates own": Actor("SELECT 1", {"select": "true", "update": MINE}, ALL, OWN, OWN),
    "reads only": Actor("SELECT 1", {"select": "true"}, ALL),
    "no policy": Actor(),
    "no privilege": Actor("REVOKE ALL ON doc, active_doc, line FROM {0}"),
    "bypass": Actor("SELECT 1", {}, ALL, ALL, ALL, ALL, ALL),
}
MARKS = [
    "DELETE FROM active_doc WHERE id = {0} RETURNING id",
    "SELECT soft_delete_doc({0})",
    "SELECT lifecycle.soft_delete('doc', {0})",
    "SELECT lifecycle.soft_delete_many('doc', ARRAY[{0}])",
    "SELECT lifecycle.soft_delete_where('doc', 'id = {0}')",
]
BACK = [
    "SELECT restore_doc({0})",
    "SELECT lifecycle.restore('doc', {0})",
    "SELECT lifecycle.restore_many('doc', ARRAY[{0}])",
    "UPDATE doc SET deleted_at = NULL WHERE id = {0} RETURNING id",
]
DIRECT = "DELETE FROM doc WHERE id = {0}"
STATE = "SELECT id, deleted_at IS NULL FROM doc"


@pytest.fixture
def family(database, roles):
    """One role for each actor but those that are the owner."""
    owner = roles("owner")
    database.execute(FAMILY + f"GRANT CREATE ON SCHEMA public TO {owner}; ALTER TABLE doc ENABLE ROW LEVEL SECURITY")
    database.execute("".join(f"ALTER TABLE {t} OWNER TO {owner};" for t in ("folder", "doc", "line")))
    call(database, "grant_lifecycle_admin", role_name=owner)
    database.actors = {name: owner if name.startswith("owner") else roles("actor") for name in ACTORS}
    database.actors["bypass"] = roles("bypass", "BYPASSRLS")
    for role in set(database.actors.values()) - {owner}:
        call(database, "grant_lifecycle_admin", role_name=role)
        database.execute(f"GRANT ALL ON folder, doc, line TO {role}")
    return database


class Trial:
    """What statements of one role change; nothing of it stays."""

    def __init__(self, connection, name, role, actor):
        self.connection, self.name, self.role = connection, name, role
        self.before = [
            actor.first.format(role),
            *(PART.format(role, command, rule) for command, rule in actor.policies.items()),
        ]

    def attempt(self, statement):
        """The rows that are marked, brought back or gone, those that are gone, and the answer or None."""
        answer = error = None
        with self.connection.transaction(force_rollback=True):
            for own in self.before:
                self.connection.execute(own)
            was = dict(rows(self.connection, STATE))
            try:
                with self.connection.transaction():
                    self.connection.execute(f"SET LOCAL ROLE {self.role}")
                    answer = rows(self.connection, statement)
                    self.connection.execute("RESET ROLE")
            except psycopg.Error as raised:
                error = raised.sqlstate
            now = dict(rows(self.connection, STATE))
        assert error in (None, "42501", "P0002"), f"{self.name}: {statement}: {error}"
        return {key for key in was if was[key] != now.get(key, "gone")}, set(was) - set(now), answer

    def changes(self, statement, expected, *, really=False):
        """It changes exactly these rows, and really deletes none, or just these."""
        changed, gone, answer = self.attempt(statement)
        assert (changed, gone) == (expected, expected if really else set()), f"{self.name}: {statement}"
        return answer

    def marks(self, actor, intercepted):
        for key in (1, 4):
            for way in MARKS:
                answer = self.changes(way.format(key), {key} & actor.marks)
                if answer and "RETURNING" in way:
                    assert {k for (k,) in answer} == {key} & actor.marks, self.name
            if intercepted:
                # For PostgreSQL there is no row to DELETE without a policy that says so.
                may = NONE if set(actor.policies) == {"select", "update"} else actor.marks
                self.changes(DIRECT.format(key), {key} & may)
        for key in (7, 8):
            for way in MARKS[1:3]:
                answer = self.changes(way.format(key), NONE)
                if answer:
                    assert (answer[0][0]["status"] == "already_deleted") == (key in actor.sees), self.name

    def restores(self, actor, number):
        for key in (7, 8):
            for way in BACK:
                self.changes(way.format(key), {key} & actor.restores)
        self.changes(f"SELECT lifecycle.restore({number}::bigint)", {7, 8} & actor.restores)

    def really_deletes(self, actor):
        for key in (7, 8):
            self.changes(
                f"SELECT * FROM lifecycle.erase('doc', {key}, dry_run => false)", {key} & actor.erases, really=True
            )
        self.changes("SELECT lifecycle.purge_deleted_step('doc', '90 days')", {7, 8} & actor.purges, really=True)

    def sees(self, actor):
        seen = self.attempt("SELECT id FROM active_doc")[2] or []
        assert {k for (k,) in seen} == actor.sees - {7, 8}, self.name
        counted = self.attempt("SELECT active + deleted FROM lifecycle.soft_delete_stats('doc')")[2] or []
        assert sum(n for (n,) in counted) == len(actor.sees), self.name
        found = self.attempt("SELECT lifecycle.preview_purge_deleted('doc', '90 days')")[2]
        assert not found or found[0][0]["deleted"] == len({7, 8} & actor.sees), self.name


def expected_of(name, options):
    """What an actor may, with the options of the table."""
    actor = ACTORS[name]
    if name == "owner, forced, own rows" and options != "foreign keys not followed":
        # It could not follow foreign keys of rows that it does not see.
        actor = actor._replace(marks=NONE, restores=NONE)
    if OPTIONS[options].get("intercept") and not name.startswith("owner"):
        actor = actor._replace(purges=NONE, erases=NONE)
    return actor


@pytest.mark.parametrize("options", OPTIONS)
def test_matrix(family, options):
    owner = family.actors["owner"]
    as_owner = family.connect(owner)
    for table in ("folder", "line"):
        call(as_owner, "enable_soft_delete", target=table)
    call(as_owner, "enable_soft_delete", target="doc", **OPTIONS[options])
    for role in set(family.actors.values()) - {owner}:
        family.execute(f"GRANT ALL ON active_doc TO {role}")
    for table in ("line", "doc"):
        family.execute(f"UPDATE {table} SET deleted_at = now() - interval '100 days' WHERE id > 6")
    number = family.value("SELECT deletion_id FROM doc WHERE id = 7")
    connection = family.connect()
    for name, role in family.actors.items():
        actor = expected_of(name, options)
        trial = Trial(connection, name, role, actor)
        trial.marks(actor, OPTIONS[options].get("intercept", False))
        trial.restores(actor, number)
        trial.really_deletes(actor)
        trial.sees(actor)
