"""Foreign keys between tables of different owners, under row-level security, under attack."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

KEY = "SELECT oid FROM pg_constraint WHERE conname = 'c_p'"


def setup(database, roles, action="ON DELETE CASCADE", both=True):
    """Table p of one role, c of another, a third that may delete in p and sees nothing of c."""
    users = {name: roles(name) for name in ("ann", "bob", "app")}
    for user in users.values():
        database.execute(f"GRANT CREATE ON SCHEMA public TO {user}")
    for user in ("ann", "bob"):
        call(database, "grant_lifecycle_admin", role_name=users[user])
    call(database, "grant_lifecycle_use", role_name=users["app"])
    ann, bob = database.connect(users["ann"]), database.connect(users["bob"])
    ann.execute(
        f'CREATE TABLE public.p (id int PRIMARY KEY, "k""1" text, b date, UNIQUE ("k""1", b)); '
        f"INSERT INTO p VALUES (1, 'o''x', '2024-01-01'), (2, 'y', '2024-01-01'), (3, 'z', '2024-01-01'); "
        f"GRANT REFERENCES ON p TO {users['bob']}"
    )
    bob.execute(
        f"CREATE TABLE public.c (id int PRIMARY KEY, a varchar(9) DEFAULT 'z', b date, CONSTRAINT c_p FOREIGN KEY "
        f'(a, b) REFERENCES p ("k""1", b) {action}); ALTER TABLE c ENABLE ROW LEVEL SECURITY; '
        "INSERT INTO c VALUES (1, 'o''x', '2024-01-01'), (2, 'y', '2024-01-01')"
    )
    call(ann, "enable_soft_delete", target="p")
    if both:
        call(bob, "enable_soft_delete", target="c")
    database.execute(
        f"GRANT SELECT, DELETE ON p, active_p TO {users['app']}; GRANT EXECUTE ON FUNCTION soft_delete_p(int) TO "
        f"{users['app']}; ALTER TABLE p ENABLE ROW LEVEL SECURITY; CREATE POLICY app ON p TO {users['app']} "
        "USING (deleted_at IS NULL)"
    )
    return ann, bob, database.connect(users["app"]), users


def live(place, table):
    return [row[0] for row in rows(place, f"SELECT id FROM {table} WHERE deleted_at IS NULL ORDER BY 1")]


@pytest.mark.parametrize("way", ["SELECT soft_delete_p(1)", "DELETE FROM active_p WHERE id = 1"])
def test_children_that_are_hidden_and_anothers(database, roles, way):
    ann, bob, app, _ = setup(database, roles)
    app.execute(way)
    assert (live(database, "p"), live(database, "c")) == ([2, 3], [2])
    assert rows(database, "SELECT table_name, row_count, cascaded FROM lifecycle.deletion") == [
        ("p", 1, {"public.c": 1})
    ]
    with refused("42501"):
        rows(ann, "SELECT * FROM c")
    with refused("23503", "is deleted"):
        bob.execute("UPDATE c SET deleted_at = NULL")
    assert rows(ann, "SELECT restore_p(1)")[0][0]["cascaded"] == {"public.c": 1}
    assert (live(database, "p"), live(database, "c")) == ([1, 2, 3], [1, 2])


@pytest.mark.parametrize("action", ["", "ON DELETE SET NULL", "ON DELETE SET DEFAULT"])
def test_other_actions_between_owners(database, roles, action):
    ann, bob, app, _ = setup(database, roles, action)
    if action == "":
        with refused("23503", 'Key ("k""1", b)=(o\'x, 2024-01-01) is still referenced'):
            rows(app, "SELECT soft_delete_p(1)")
        bob.execute("DELETE FROM active_c WHERE id = 1")
        rows(app, "SELECT soft_delete_p(1)")
        with refused("23503"):
            rows(bob, "SELECT restore_c(1)")
        rows(ann, "SELECT restore_p(1)")
        rows(bob, "SELECT restore_c(1)")
    else:
        rows(app, "SELECT soft_delete_p(1)")
        assert database.value("SELECT a FROM c WHERE id = 1") == (None if "NULL" in action else "z")
        assert rows(database, "SELECT old_values FROM lifecycle.deletion_change") == [
            ({"a": "o'x", "b": "2024-01-01"},)
        ]
        rows(ann, "SELECT restore_p(1)")
    assert rows(database, "SELECT a FROM c WHERE id = 1") == [("o'x",)]


def test_clearing_a_table_that_is_anothers(database, roles):
    """Without functions of its owner, the owner of the parent would have to do it with its own rights."""
    _, bob, app, users = setup(database, roles, "ON DELETE SET NULL", both=False)
    with refused("42501", f"foreign key c_p of public.c cannot be followed by {users['ann']}", "enable_soft_delete"):
        rows(app, "SELECT soft_delete_p(1)")
    database.execute(f"GRANT SELECT ON c TO {users['ann']}")
    with refused("42501", f"foreign key c_p of public.c cannot be followed by {users['ann']}", "GRANT SELECT, UPDATE"):
        rows(app, "SELECT soft_delete_p(1)")
    assert (live(database, "p"), database.value("SELECT a FROM c WHERE id = 1")) == ([1, 2, 3], "o'x")
    database.execute(f"GRANT SELECT, UPDATE ON c TO {users['ann']}")
    with refused("42501", "row-level security may hide rows of public.c", users["ann"]):
        rows(app, "SELECT soft_delete_p(1)")
    call(bob, "enable_soft_delete", target="c")
    rows(app, "SELECT soft_delete_p(1)")
    assert database.value("SELECT a FROM c WHERE id = 1") is None


@pytest.mark.parametrize("action", ["ON DELETE CASCADE", "ON DELETE NO ACTION", "ON DELETE RESTRICT"])
def test_looking_at_a_table_that_is_anothers(database, roles, action):
    """What would refuse the deletion has to be seen."""
    _, _, app, users = setup(database, roles, action, both=False)
    with refused("42501", f"foreign key c_p of public.c cannot be followed by {users['ann']}", "enable_soft_delete"):
        rows(app, "SELECT soft_delete_p(3)")
    database.execute(f"CREATE SCHEMA apart; ALTER TABLE c SET SCHEMA apart; GRANT SELECT ON apart.c TO {users['ann']}")
    database.execute("ALTER TABLE apart.c DISABLE ROW LEVEL SECURITY")
    with refused("42501", "foreign key c_p of apart.c cannot be followed"):
        rows(app, "SELECT soft_delete_p(3)")
    database.execute(f"GRANT USAGE ON SCHEMA apart TO {users['ann']}")
    rows(app, "SELECT soft_delete_p(3)")
    with refused("23503"):
        rows(app, "SELECT soft_delete_p(1)")
    assert live(database, "p") == [1, 2]


@pytest.mark.parametrize("table", ["p", "c"])
def test_forced_row_level_security(database, roles, table):
    """An owner who may not see all rows would leave some behind: refused, until it may."""
    _, _, _, users = setup(database, roles)
    owner = users["ann" if table == "p" else "bob"]
    database.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    database.execute(f"CREATE POLICY part ON {table} TO {owner} USING (id > 0)")
    with refused("42501", f"row-level security may hide rows of public.{table} from {owner}", "NO FORCE"):
        database.execute("SELECT soft_delete_p(1)")
    assert (live(database, "p"), live(database, "c")) == ([1, 2, 3], [1, 2])
    database.execute(f"DROP POLICY part ON {table}; CREATE POLICY everything ON {table} TO {owner} USING (true)")
    database.execute("SELECT soft_delete_p(1)")
    assert (live(database, "p"), live(database, "c")) == ([2, 3], [2])


def test_new_owner(database, roles):
    _, _, _, users = setup(database, roles)
    database.execute(f"ALTER TABLE c OWNER TO {users['app']}")
    with refused("55000", "foreign key c_p of public.c cannot be followed", "sync_active_view('public.c')"):
        database.execute("SELECT soft_delete_p(1)")
    call(database, "grant_lifecycle_admin", role_name=users["app"])
    call(database, "sync_active_view", target="c")
    database.execute("SELECT soft_delete_p(1)")
    assert live(database, "c") == [2]


def test_a_neighbour_that_came_later(database, roles):
    """The grant of one owner to the other is made when soft delete is enabled, or by sync."""
    ann, bob, app, _ = setup(database, roles)
    cid = roles("cid")
    call(database, "grant_lifecycle_admin", role_name=cid)
    database.execute(f"GRANT CREATE ON SCHEMA public TO {cid}; GRANT REFERENCES ON c TO {cid}")
    owner = database.connect(cid)
    owner.execute("CREATE TABLE public.d (id int PRIMARY KEY, c int REFERENCES c ON DELETE CASCADE)")
    owner.execute("INSERT INTO d VALUES (1, 1)")
    with refused("42501", "foreign key d_c_fkey of public.d cannot be followed", "enable_soft_delete('public.d')"):
        rows(app, "SELECT soft_delete_p(1)")
    call(owner, "enable_soft_delete", target="d")
    assert "grant" in [s.action for s in call(bob, "sync_active_view", target="c")]
    answer = rows(app, "SELECT soft_delete_p(1)")[0][0]
    assert answer["cascaded"] == {"public.c": 1, "public.d": 1}
    assert rows(ann, "SELECT restore_p(1)")[0][0]["cascaded"] == {"public.c": 1, "public.d": 1}


def test_what_a_neighbour_may_not(database, roles):
    ann, _, app, _ = setup(database, roles)
    database.execute("CREATE TABLE public.other (id int PRIMARY KEY, up int CONSTRAINT oo REFERENCES other)")
    name = database.value("SELECT proname FROM pg_proc WHERE proname ~ 'public_c_.*_key'")
    keys = '[{"k1": "y", "k2": "2024-01-01"}]'
    statement = f"SELECT lifecycle_data.{name}('follow', ({KEY.replace('c_p', '%s')}), %s, '{keys}', '{{}}')"
    with refused("42501"):
        rows(app, statement % ("c_p", 5))
    with refused("42501", "is no foreign key of"):
        rows(ann, statement % ("oo", -5))
    rows(app, "SELECT soft_delete_p(1)")
    number = database.value("SELECT deletion_id FROM lifecycle.deletion")
    ann.execute("SELECT nextval('lifecycle.deletion_deletion_id_seq')")
    with refused("42501", "does not belong to this statement"):
        rows(ann, statement % ("c_p", number))
    assert live(database, "c") == [2]


def test_a_planted_function_is_not_called(database, roles):
    """With the rights of its caller it would be the parent's owner who runs it."""
    _, bob, _, _ = setup(database, roles)
    name = database.value("SELECT oid::regprocedure::text FROM pg_proc WHERE proname ~ 'public_c_.*_key'")
    bob.execute(f"ALTER FUNCTION {name} SECURITY INVOKER")
    with refused("55000", "cannot be followed"):
        database.execute("SELECT soft_delete_p(1)")


def test_planted_settings(database, roles):
    """A setting neither keeps foreign keys from being followed nor brings rows into a deletion."""
    _, _, app, _ = setup(database, roles)
    for setting in ("number", "alone", "last_cascade", "restored"):
        app.execute(f"SET lifecycle.{setting} = '7'")
    rows(app, "SELECT soft_delete_p(1)")
    assert live(database, "c") == [2]
    assert rows(
        database, "SELECT count(DISTINCT deletion_id) FROM (TABLE p LIMIT 3) AS p WHERE deletion_id IS NOT NULL"
    )
