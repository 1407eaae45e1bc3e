"""Foreign keys: a soft delete does what they say ON DELETE, and a restore takes exactly that back."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rows

WAYS = {
    "view": "DELETE FROM active_shop WHERE id = 1",
    "rpc": "SELECT soft_delete_shop(1)",
    "function": "SELECT lifecycle.soft_delete('shop', 1)",
    "many": "SELECT lifecycle.soft_delete_many('shop', ARRAY[1])",
    "where": "SELECT lifecycle.soft_delete_where('shop', 'id = 1')",
    "update": "UPDATE shop SET deleted_at = now() WHERE id = 1",
}
BACK = {
    "number": "SELECT lifecycle.restore(deletion_id) FROM lifecycle.deletion",
    "key": "SELECT lifecycle.restore('shop', 1)",
    "many": "SELECT lifecycle.restore_many('shop', ARRAY[1])",
    "rpc": "SELECT restore_shop(1)",
    "update": "UPDATE shop SET deleted_at = NULL WHERE id = 1",
}
# shop <- item (two columns) <- part, and note by both; log is set null, mark set default and cannot be marked.
SCHEMA = """
CREATE TABLE public.shop (id int PRIMARY KEY, name text);
CREATE TABLE public.item (
    shop int REFERENCES shop ON DELETE CASCADE, nr int, PRIMARY KEY (shop, nr)
);
CREATE TABLE public.part (
    id int PRIMARY KEY, shop int, nr int, FOREIGN KEY (shop, nr) REFERENCES item ON DELETE CASCADE
);
CREATE TABLE public.note (
    id int PRIMARY KEY, part int REFERENCES part ON DELETE CASCADE, shop int REFERENCES shop ON DELETE CASCADE
);
CREATE TABLE public.log (id int PRIMARY KEY, shop int REFERENCES shop ON DELETE SET NULL);
CREATE TABLE public.mark (id int PRIMARY KEY, shop int DEFAULT 9 REFERENCES shop ON DELETE SET DEFAULT);
INSERT INTO shop VALUES (1, 'a'), (2, 'b'), (9, 'z');
INSERT INTO item VALUES (1, 1), (1, 2), (2, 1);
INSERT INTO part VALUES (11, 1, 1), (12, 1, 2), (21, 2, 1), (30, NULL, 1);
INSERT INTO note VALUES (1, 11, 1), (2, 12, NULL), (3, NULL, 1), (4, 21, 2), (5, 21, 1);
INSERT INTO log VALUES (1, 1), (2, 2);
INSERT INTO mark VALUES (1, 1), (2, 2);
"""
TABLES = ("shop", "item", "part", "note", "log")
CASCADED = {
    "public.item": 2,
    "public.part": 2,
    "public.note": 4,
    "public.log(shop)": 1,
    "public.mark(shop)": 1,
}


def content(place):
    """Every table, without the times."""
    return {
        table: rows(
            place,
            f"SELECT to_jsonb(t) - 'deleted_at' - 'deletion_id' || jsonb_build_object('live', "
            f"to_jsonb(t) ->> 'deleted_at' IS NULL) FROM {table} t ORDER BY 1",
        )
        for table in (*TABLES, "mark")
    }


def live(place, table, key="id"):
    return [row[0] for row in rows(place, f"SELECT {key} FROM {table} WHERE deleted_at IS NULL ORDER BY 1")]


def said(place, statement):
    """What a function answers; None for other statements."""
    answer = rows(place, statement)
    return answer[0][0] if answer else None


@pytest.fixture
def shop(database):
    database.execute(SCHEMA)
    for table in TABLES:
        call(database, "enable_soft_delete", target=table)
    return database


@pytest.mark.parametrize(("way", "back"), list(zip(WAYS, [*BACK, "number"], strict=True)))
def test_cascade_and_back(shop, way, back):
    shop.execute("UPDATE note SET deleted_at = now() WHERE id = 3")  # before, and separately
    before = content(shop)
    shop.execute("DELETE FROM lifecycle.deletion")
    answer = said(shop, WAYS[way])
    assert live(shop, "shop") == [2, 9]
    assert live(shop, "item", "shop") == [2]
    assert live(shop, "part") == [21, 30]
    assert live(shop, "note") == [4]
    assert shop.execute("SELECT id, shop FROM log UNION ALL SELECT id + 10, shop FROM mark ORDER BY 1") == [
        (1, None),
        (2, 2),
        (11, 9),
        (12, 2),
    ]
    expected = CASCADED | {"public.note": 3}
    assert shop.execute("SELECT row_count, cascaded FROM lifecycle.deletion") == [(1, expected)]
    assert answer is None or (answer["count"], answer["cascaded"]) == (1, expected)
    number = shop.value("SELECT deletion_id FROM shop WHERE id = 1")
    assert shop.execute("SELECT DISTINCT deletion_id FROM part WHERE id < 20") == [(number,)]
    answer = said(shop, BACK[back])
    assert content(shop) == before
    assert answer is None or (answer["count"], answer["cascaded"]) == (1, expected)
    assert shop.value("SELECT count(*) FROM lifecycle.deletion_change") == 0
    for table in TABLES:
        assert shop.value(f"SELECT count(*) FROM {table} WHERE deletion_id IS NOT NULL AND deleted_at IS NULL") == 0
    assert shop.value("SELECT restored_count FROM lifecycle.deletion WHERE cascaded <> '{}'") == 1


# ---------------------------------------------------------------------------------------------------- refusals


def pair(place, action, child="id int PRIMARY KEY, p int", both=True, **options):
    """Table p with rows 1 and 2, table c that refers to them."""
    place.execute(
        f"CREATE TABLE public.p (id int PRIMARY KEY, up int REFERENCES p); CREATE TABLE public.c ({child}, "
        f"CONSTRAINT c_p FOREIGN KEY (p) REFERENCES p {action}); INSERT INTO p VALUES (1), (2), (3); "
        "INSERT INTO c (id, p) VALUES (1, 1), (2, 2)"
    )
    call(place, "enable_soft_delete", target="p", **options)
    if both:
        call(place, "enable_soft_delete", target="c")


@pytest.mark.parametrize("action", ["", "ON DELETE RESTRICT", "DEFERRABLE INITIALLY DEFERRED"])
@pytest.mark.parametrize("both", [True, False])
def test_live_children_forbid(database, action, both):
    pair(database, action, both=both)
    for way in WAYS.values():
        with refused(
            "23503",
            "violates foreign key constraint c_p on public.c",
            "Key (id)=(1) is still referenced",
        ):
            database.execute(way.replace("shop", "p"))
    assert database.value("SELECT count(*) FROM lifecycle.deletion") == 0
    if both:
        database.execute("SELECT soft_delete_c(1), soft_delete_p(1)")
        with refused(
            "23503",
            "rows of public.c cannot come back",
            "Key (id)=(1) of public.p is deleted",
        ):
            database.execute("SELECT restore_c(1)")
        with refused("23503"):
            database.execute("UPDATE c SET deleted_at = NULL")
        with refused("23503"):
            database.execute("SELECT lifecycle.restore(deletion_id) FROM c WHERE id = 1")
        database.execute("SELECT restore_p(1), restore_c(1)")
    else:
        database.execute("DELETE FROM c; SELECT soft_delete_p(1)")


def test_parent_and_child_in_one_statement(database):
    """NO ACTION and RESTRICT are judged at the end."""
    database.execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, up int REFERENCES t ON DELETE RESTRICT); INSERT INTO t VALUES "
        "(1, NULL), (2, 1), (3, 2), (4, NULL), (5, 4)"
    )
    call(database, "enable_soft_delete", target="t")
    with refused("23503"):
        database.execute("UPDATE t SET deleted_at = now() WHERE id < 3")
    database.execute("UPDATE t SET deleted_at = now() WHERE id < 4; DELETE FROM active_t WHERE id > 3")
    assert live(database, "t") == []
    with refused("23503"):
        database.execute("UPDATE t SET deleted_at = NULL WHERE id IN (2, 3)")
    database.execute("UPDATE t SET deleted_at = NULL WHERE id IN (1, 2)")
    assert live(database, "t") == [1, 2]
    database.execute("SELECT lifecycle.restore(deletion_id) FROM t WHERE id > 2 GROUP BY deletion_id")
    assert live(database, "t") == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("action", ["CASCADE", "SET NULL", "SET DEFAULT"])
def test_table_that_cannot_be_marked(database, action):
    pair(
        database,
        f"ON DELETE {action}",
        "id int PRIMARY KEY, p int DEFAULT 3",
        both=False,
    )
    if action == "CASCADE":
        with refused("23503", "would really be deleted", "enable_soft_delete('public.c')"):
            database.execute("SELECT soft_delete_p(1)")
        call(database, "enable_soft_delete", target="c")
    database.execute("SELECT soft_delete_p(1)")
    left = {"CASCADE": 1, "SET NULL": None, "SET DEFAULT": 3}[action]
    assert database.execute("SELECT p FROM c ORDER BY id") == [(left,), (2,)]
    assert database.value("SELECT count(*) FROM c") == 2, "nothing is really deleted"
    database.execute("SELECT restore_p(1)")
    assert database.execute("SELECT p FROM c ORDER BY id") == [(1,), (2,)]


def test_default_that_is_deleted_itself(database):
    pair(
        database,
        "ON DELETE SET DEFAULT",
        "id int PRIMARY KEY, p int DEFAULT 1",
        both=False,
    )
    with refused("23503"):
        database.execute("SELECT soft_delete_p(1)")


def test_what_was_changed_meanwhile_stays(database):
    pair(database, "ON DELETE SET NULL", both=False)
    database.execute("SELECT soft_delete_p(1); UPDATE c SET p = 3 WHERE id = 1; SELECT restore_p(1)")
    assert database.execute("SELECT p FROM c ORDER BY id") == [(3,), (2,)]
    assert database.value("SELECT count(*) FROM lifecycle.deletion_change") == 0


def test_clearing_needs_a_record(database, roles):
    pair(database, "ON DELETE SET NULL", "id int, p int", both=False)
    with refused("55000", "cannot be recorded", "has no primary key"):
        database.execute("SELECT soft_delete_p(1)")
    database.execute("ALTER TABLE c ADD PRIMARY KEY (id); DROP EXTENSION pg_lifecycle")
    with refused("55000", "cannot be recorded", "or it is gone"):
        database.execute("SELECT soft_delete_p(1)")


def test_only_the_columns_named(database):
    database.execute(
        "CREATE TABLE public.p (a int, b int, PRIMARY KEY (a, b)); CREATE TABLE public.c (id int PRIMARY KEY, a int, "
        "b int, FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL (b)); INSERT INTO p VALUES (1, 1); "
        "INSERT INTO c VALUES (1, 1, 1)"
    )
    call(database, "enable_soft_delete", target="p")
    database.execute("SELECT soft_delete_p(1, 1)")
    assert database.execute("SELECT * FROM c") == [(1, 1, None)]
    database.execute("SELECT restore_p(1, 1)")
    assert database.execute("SELECT * FROM c") == [(1, 1, 1)]


def test_not_followed(database):
    pair(database, "ON DELETE CASCADE", follow_foreign_keys=False)
    database.execute("SELECT soft_delete_p(1)")
    assert live(database, "c") == [1, 2]
    database.execute("SELECT soft_delete_c(1), restore_c(1), restore_p(1)")
    call(database, "enable_soft_delete", target="p")
    assert database.value("SELECT soft_delete_p(1)")["cascaded"] == {"public.c": 1}


def test_foreign_key_made_later(database):
    pair(database, "ON DELETE CASCADE")
    database.execute(
        "CREATE TABLE public.late (id int PRIMARY KEY, c int REFERENCES c ON DELETE CASCADE); "
        "INSERT INTO late VALUES (1, 1)"
    )
    with refused("23503", "enable_soft_delete('public.late')"):
        database.execute("SELECT soft_delete_p(1)")
    call(database, "enable_soft_delete", target="late")
    assert database.value("SELECT soft_delete_p(1)")["cascaded"] == {
        "public.c": 1,
        "public.late": 1,
    }


def test_the_plan_says_what_is_followed(database):
    pair(database, "ON DELETE CASCADE", both=False)
    call(database, "rollback_soft_delete", target="p", dry_run=False)
    notes = [s.note for s in call(database, "enable_soft_delete", target="p", dry_run=True) if "_ref(" in s.object]
    assert notes == [
        "follows foreign keys: c_p of public.c: refused, its rows cannot be marked yet; p_up_fkey of public.p: refused"
    ]


# ---------------------------------------------------------------------------------------------------- shapes


def test_tree(database):
    """One statement a tree, however deep: 3000 rows in a chain."""
    database.execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, up int REFERENCES t ON DELETE CASCADE); CREATE INDEX ON t (up); "
        "INSERT INTO t SELECT i, nullif(i - 1, 0) FROM generate_series(1, 3000) AS i; INSERT INTO t VALUES "
        "(5001, 1), (5002, 1), (9000, 9000)"
    )
    call(database, "enable_soft_delete", target="t")
    assert database.value("SELECT soft_delete_t(2)")["cascaded"] == {"public.t": 2998}
    assert live(database, "t") == [1, 5001, 5002, 9000]
    assert database.value("SELECT restore_t(2)")["cascaded"] == {"public.t": 2998}
    # Siblings of one deletion: one comes back alone.
    number = database.value("SELECT lifecycle.soft_delete_many('t', ARRAY[5001, 5002])")["deletion_id"]
    assert database.value("SELECT restore_t(5001)")["cascaded"] == {}
    assert database.execute("SELECT id FROM t WHERE deletion_id = %s", [number]) == [(5002,)]
    assert database.value("SELECT soft_delete_t(9000)")["cascaded"] == {}
    assert database.value("SELECT lifecycle.restore(%s)", [number])["count"] == 1


def test_cycle_and_diamond(database):
    database.execute(
        "CREATE TABLE public.a (id int PRIMARY KEY, b int); CREATE TABLE public.b (id int PRIMARY KEY, a int "
        "REFERENCES a ON DELETE CASCADE); ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE CASCADE; "
        "CREATE TABLE public.d (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE, b int REFERENCES b ON "
        "DELETE CASCADE, n int REFERENCES b); INSERT INTO a VALUES (1), (2), (3); INSERT INTO b VALUES (1, 1), "
        "(2, 2); UPDATE a SET b = 1 WHERE id = 2; UPDATE a SET b = 2 WHERE id = 1; INSERT INTO d VALUES (1, 1, 2, 1), "
        "(2, 3, 1, NULL), (3, 3, NULL, NULL)"
    )
    for table in "abd":
        call(database, "enable_soft_delete", target=table)
    assert database.value("SELECT soft_delete_a(1)")["cascaded"] == {
        "public.a": 1,
        "public.b": 2,
        "public.d": 2,
    }
    assert [live(database, table) for table in "abd"] == [[3], [], [3]]
    number = database.value("SELECT deletion_id FROM a WHERE id = 1")
    with refused("23503"):
        database.execute("SELECT restore_d(2)")
    answer = database.value("SELECT lifecycle.restore(%s)", [number])
    assert (answer["count"], answer["cascaded"]) == (2, {"public.b": 2, "public.d": 2})
    assert [live(database, table) for table in "abd"] == [[1, 2, 3], [1, 2], [1, 2, 3]]
    # A live row of d refers by NO ACTION to a row of b that goes with a.
    database.execute("INSERT INTO d VALUES (4, NULL, NULL, 2)")
    with refused("23503", "d_n_fkey"):
        database.execute("SELECT soft_delete_a(1)")


def test_pointed_elsewhere_while_deleted(database):
    pair(database, "ON DELETE CASCADE")
    answer = database.value("SELECT soft_delete_p(1)")
    database.execute("UPDATE c SET p = 2 WHERE id = 1")
    answer = database.value("SELECT lifecycle.restore(%s)", [answer["deletion_id"]])
    assert (answer["count"], answer["cascaded"]) == (1, {"public.c": 1})
    assert live(database, "c") == [1, 2]


def test_restore_of_a_used_key(database):
    pair(database, "ON DELETE CASCADE", "id int PRIMARY KEY, p int, name text")
    database.execute(
        "CREATE UNIQUE INDEX ON c (name) WHERE deleted_at IS NULL; UPDATE c SET name = 'x' WHERE id = 1; "
        "SELECT soft_delete_p(1); INSERT INTO c VALUES (3, 2, 'x')"
    )
    before = content_of(database, "p", "c")
    for statement in (
        "SELECT restore_p(1)",
        "SELECT lifecycle.restore(deletion_id) FROM lifecycle.deletion",
    ):
        with refused("23505", "Key (name)=(x) already exists"):
            database.execute(statement)
    assert content_of(database, "p", "c") == before


def content_of(place, *tables):
    return [rows(place, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


PARTITIONED = """
CREATE TABLE public.p (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE public.p1 PARTITION OF p FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE public.p2 PARTITION OF p FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE public.c (id int, at date, x int, PRIMARY KEY (id, at), FOREIGN KEY (x, at) REFERENCES p ON DELETE CASCADE)
PARTITION BY RANGE (at);
CREATE TABLE public.c1 PARTITION OF c FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
CREATE TABLE public.c2 PARTITION OF c FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
CREATE TABLE public.leaf (id int PRIMARY KEY, x int, at date, FOREIGN KEY (x, at) REFERENCES p1 ON DELETE CASCADE);
INSERT INTO p VALUES (1, '2024-01-05'), (2, '2024-02-05');
INSERT INTO c VALUES (1, '2024-01-05', 1), (2, '2024-02-05', 2);
INSERT INTO leaf VALUES (1, 1, '2024-01-05');
"""


@pytest.mark.parametrize("named", ["p", "p1"])
def test_partitions(database, named):
    database.execute(PARTITIONED)
    for table in ("p", "c", "leaf"):
        call(database, "enable_soft_delete", target=table)
    database.execute(f"UPDATE {named} SET deleted_at = now() WHERE id = 1")
    assert [live(database, table) for table in ("p", "c", "leaf")] == [[2], [2], []]
    assert database.execute("SELECT row_count, cascaded FROM lifecycle.deletion") == [
        (1, {"public.c": 1, "public.leaf": 1})
    ]
    with refused("23503"):
        database.execute("UPDATE c1 SET deleted_at = NULL")
    database.execute(f"UPDATE {named} SET deleted_at = NULL WHERE id = 1")
    assert [live(database, table) for table in ("p", "c", "leaf")] == [
        [1, 2],
        [1, 2],
        [1],
    ]
    assert database.value("SELECT count(*) FROM p WHERE deletion_id IS NOT NULL") == 0


def test_a_trigger_that_marks_unasked(database):
    pair(database, "ON DELETE CASCADE")
    database.execute(
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.deleted_at := now(); RETURN NEW; "
        "END$$; CREATE TRIGGER f BEFORE UPDATE OF id ON p FOR EACH ROW EXECUTE FUNCTION f()"
    )
    with refused(
        "0A000",
        "a trigger marks or restores a row of public.p",
        "SET deleted_at = deleted_at too",
    ):
        database.execute("UPDATE p SET id = 7 WHERE id = 3")
    database.execute("UPDATE p SET id = 7, deleted_at = deleted_at WHERE id = 3")
    assert live(database, "p") == [1, 2]


def test_as_a_replica(database):
    pair(database, "ON DELETE CASCADE")
    database.execute("SET session_replication_role = replica; UPDATE p SET deleted_at = now() WHERE id = 1")
    assert live(database, "c") == [2]
    # The publisher has followed the foreign keys, and sends each row.
    database.execute("UPDATE p SET deleted_at = now(), deletion_id = 77 WHERE id = 2")
    assert live(database, "c") == [2]
    database.execute("UPDATE p SET deleted_at = NULL, deletion_id = NULL WHERE id = 2")
    assert database.value("SELECT count(*) FROM p WHERE deletion_id < 0") == 0


def test_without_the_extension(database):
    pair(database, "ON DELETE CASCADE")
    database.execute("DROP EXTENSION pg_lifecycle; SELECT soft_delete_p(1)")
    assert live(database, "c") == [2]
    database.execute("SELECT restore_p(1)")
    assert live(database, "c") == [1, 2]


def test_a_nested_deletion_keeps_its_own_number(database):
    """A trigger of the child deletes other rows meanwhile."""
    pair(database, "ON DELETE CASCADE")
    database.execute(
        "CREATE TABLE public.o (id int PRIMARY KEY); INSERT INTO o VALUES (1), (2); INSERT INTO c VALUES (3, 1)"
    )
    call(database, "enable_soft_delete", target="o")
    database.execute(
        "CREATE FUNCTION public.f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN PERFORM "
        "lifecycle.soft_delete_where('o', 'id = ' || 1); RETURN NEW; END$$; "
        "CREATE TRIGGER f BEFORE UPDATE ON c FOR EACH ROW EXECUTE FUNCTION f()"
    )
    assert database.value("SELECT soft_delete_p(1)")["cascaded"] == {"public.c": 2}
    assert live(database, "o") == [2]
    assert database.value("SELECT count(DISTINCT deletion_id) FROM c WHERE deleted_at IS NOT NULL") == 1
    assert database.execute("SELECT table_name, row_count FROM lifecycle.deletion ORDER BY deletion_id") == [
        ("p", 1),
        ("o", 1),
    ]


def test_dump_and_restore_take_the_record_along(database, server):
    pair(database, "ON DELETE SET NULL")
    database.execute("CREATE TABLE public.g (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE)")
    call(database, "enable_soft_delete", target="g")
    database.execute("INSERT INTO g VALUES (1, 1); SELECT soft_delete_p(1)")
    number = database.value("SELECT deletion_id FROM lifecycle.deletion")
    other = database.empty()
    other.execute("CREATE TABLE public.decoy (id int)")
    server.restore(other.name, server.dump(database.name))
    answer = other.value("SELECT lifecycle.restore(%s)", [number])
    assert (answer["count"], answer["cascaded"]) == (1, {"public.c(p)": 1, "public.g": 1})
    assert (live(other, "p"), live(other, "g"), rows(other, "SELECT p FROM c ORDER BY id")) == (
        [1, 2, 3],
        [1],
        [(1,), (2,)],
    )


NASTY = ["{table}", "a%sb", "o'ne", 'tw"o', "ÄÖ ü", "k1", "number", "x" * 63]


@pytest.mark.parametrize("name", NASTY)
def test_hostile_names(database, name):
    q = '"' + name.replace('"', '""') + '"'
    statement = (
        f"CREATE SCHEMA {q}; CREATE TABLE {q}.p ({q} text, b int, PRIMARY KEY ({q}, b)); CREATE TABLE {q}.{q} (id int "
        f"PRIMARY KEY, {q} text, b int, n text, m int, CONSTRAINT {q} FOREIGN KEY ({q}, b) REFERENCES {q}.p ON DELETE "
        f"CASCADE, FOREIGN KEY (n, m) REFERENCES {q}.p ON DELETE SET NULL); INSERT INTO {q}.p VALUES ('a', 1), "
        f"('b', 2); INSERT INTO {q}.{q} VALUES (1, 'a', 1, 'b', 2), (2, 'b', 2, 'a', 1)"
    )
    connection = database.connect()
    for part in statement.split("; "):
        connection.execute(part.encode())
    mark = "gone" if len(name) > 60 else name + "!"
    for table in ("p", q):
        rows(connection, "SELECT * FROM lifecycle.enable_soft_delete(%s::regclass, %s)", [f"{q}.{table}", mark])
    answer = rows(connection, "SELECT lifecycle.soft_delete_where(%s::regclass, 'b = 1')", [f"{q}.p"])[0][0]
    assert sorted(answer["cascaded"].values()) == [1, 1]
    assert rows(connection, f"SELECT id, n, m, deletion_id IS NULL FROM {q}.{q} ORDER BY id".encode().decode()) == [
        (1, "b", 2, False),
        (2, None, None, True),
    ]
    rows(connection, "SELECT lifecycle.restore(%s::bigint)", [answer["deletion_id"]])
    assert rows(connection, f"SELECT id, n, m, deletion_id IS NULL FROM {q}.{q} ORDER BY id") == [
        (1, "b", 2, True),
        (2, "a", 1, True),
    ]


def test_rollback_says_what_stays_in_other_tables(database):
    pair(database, "ON DELETE CASCADE")
    database.execute("SELECT soft_delete_p(1)")
    plan = call(database, "rollback_soft_delete", target="p", deleted_rows="restore")
    notes = [step.note for step in plan if step.action == "undo add column" and step.note]
    assert "1 rows of other tables that were marked together with them stay marked" in notes[0]
    database.execute("SELECT lifecycle.restore(deletion_id) FROM lifecycle.deletion")
    plan = call(database, "rollback_soft_delete", target="p", deleted_rows="restore")
    assert not any("other tables" in (step.note or "") for step in plan)
