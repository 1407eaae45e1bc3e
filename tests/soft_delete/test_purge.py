"""A purge across foreign keys: what is old goes with what hangs on it, children first; what lives or is younger stays,
and all that it hangs on. Records of deletions go with their last row."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, refused, rows

OLD = "SET deleted_at = now() - interval '100 days'"


def make(database, schema, *tables):
    database.execute(schema)
    for table in tables:
        call(database, "enable_soft_delete", target=table, follow_foreign_keys=False)


def purge(place, table, **more):
    options = "".join(f", {k} => {v}" for k, v in more.items())
    place.execute(f"CALL lifecycle.purge_deleted('{table}', '90 days', dry_run => false{options})")


def preview(place, table):
    seen = rows(place, f"SELECT lifecycle.preview_purge_deleted('{table}', '90 days')")[0][0]
    return seen["purgeable"], seen["held"], seen["others"]


def left(place, *tables):
    return [[k for (k,) in rows(place, f"SELECT id FROM {t} ORDER BY id")] for t in tables]


CHAIN = """
CREATE TABLE public.a (id int PRIMARY KEY);
CREATE TABLE public.b (id int PRIMARY KEY, a int REFERENCES a ON DELETE {0});
CREATE TABLE public.c (id int PRIMARY KEY, b int REFERENCES b ON DELETE {0});
INSERT INTO a SELECT generate_series(1, 6);
INSERT INTO b SELECT i, i FROM generate_series(1, 6) AS i;
INSERT INTO c SELECT i, i FROM generate_series(1, 5) AS i;
"""


@pytest.mark.parametrize("batch", [1, 2, 5000])
@pytest.mark.parametrize("action", ["NO ACTION", "RESTRICT", "CASCADE", "SET NULL"])
def test_chain(database, action, batch):
    """1 lives below, 2 is younger below, 3 is younger itself, 4 to 6 go."""
    make(database, CHAIN.format(action), "a", "b", "c")
    database.execute(f"UPDATE c {OLD} WHERE id > 2; UPDATE c SET deleted_at = now() WHERE id = 2")
    database.execute(f"UPDATE b {OLD}; UPDATE a {OLD} WHERE id <> 3; UPDATE a SET deleted_at = now() WHERE id = 3")
    assert preview(database, "a") == (3, 2, {"public.b": 3, "public.c": 2})
    purge(database, "a", batch_size=batch)
    assert left(database, "a", "b", "c") == [[1, 2, 3], [1, 2, 3], [1, 2, 3]]
    assert preview(database, "a") == (0, 2, {})
    assert rows(
        database,
        "SELECT table_name, row_count FROM lifecycle.deletion ORDER BY deletion_id",
    )[-1] == ("a", 1)


def test_chain_without_looking_further(database):
    """The control: PostgreSQL's own cascade takes what lives two steps below."""
    make(database, CHAIN.format("CASCADE"), "a", "b", "c")
    database.execute(f"UPDATE b {OLD}; UPDATE a {OLD}")
    database.execute("DELETE FROM a WHERE deleted_at < now() - interval '90 days'")
    assert left(database, "a", "b", "c") == [[], [], []]


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE"])
def test_held_ones_do_not_stop_the_others(database, action):
    """More rows that are held in the second step than a batch has."""
    make(database, CHAIN.format(action), "a", "b", "c")
    database.execute(f"UPDATE b {OLD}; UPDATE c {OLD} WHERE id = 5")
    for key in range(1, 7):
        database.execute(f"UPDATE a {OLD} WHERE id = {key}")
    assert preview(database, "a") == (2, 4, {"public.b": 2, "public.c": 1})
    purge(database, "a", batch_size=2)
    assert left(database, "a", "b", "c") == [[1, 2, 3, 4]] * 3


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE", "SET NULL"])
@pytest.mark.parametrize("intercept", [False, True])
def test_cycle(database, action, intercept):
    database.execute(
        "CREATE TABLE public.a (id int PRIMARY KEY, b int); "
        f"CREATE TABLE public.b (id int PRIMARY KEY, a int REFERENCES a ON DELETE {action}); "
        f"ALTER TABLE a ADD FOREIGN KEY (b) REFERENCES b ON DELETE {action}; "
        "INSERT INTO a SELECT generate_series(1, 4); INSERT INTO b SELECT i, i FROM generate_series(1, 4) AS i; "
        "UPDATE a SET b = 1 + id % 2 WHERE id < 3; UPDATE a SET b = id WHERE id > 2"
    )
    for table in "ab":
        call(
            database,
            "enable_soft_delete",
            target=table,
            follow_foreign_keys=False,
            intercept=intercept,
        )
    database.execute(f"UPDATE a {OLD}; UPDATE b {OLD} WHERE id <> 4")
    assert preview(database, "a") == (3, 1, {"public.b": 3})
    purge(database, "a", batch_size=1)
    assert left(database, "a", "b") == [[4], [4]]
    assert database.value("SELECT count(*) FROM a JOIN b ON b.a = a.id WHERE a.b = b.id") == 1


@pytest.mark.parametrize("action", ["NO ACTION", "CASCADE"])
def test_tree(database, action):
    """1 - 2 - 3 (lives), 4 - 5 - 6 (all old); a circle of 7 and 8."""
    make(
        database,
        f"CREATE TABLE public.n (id int PRIMARY KEY, up int REFERENCES n ON DELETE {action}); INSERT INTO n SELECT i, "
        "CASE WHEN i NOT IN (1, 4, 7) THEN i - 1 END FROM generate_series(1, 8) AS i; UPDATE n SET up = 8 WHERE id = 7",
        "n",
    )
    database.execute(f"UPDATE n {OLD} WHERE id <> 3")
    assert preview(database, "n") == (5, 2, {})
    purge(database, "n", batch_size=1)
    assert left(database, "n") == [[1, 2, 3]]


def test_what_cannot_be_marked_goes_along_unless_something_lives_below(database):
    make(
        database,
        "CREATE TABLE public.a (id int PRIMARY KEY); CREATE TABLE public.x (id int PRIMARY KEY, a int REFERENCES a ON "
        "DELETE CASCADE); CREATE TABLE public.c (id int PRIMARY KEY, x int REFERENCES x ON DELETE CASCADE); "
        "INSERT INTO a VALUES (1), (2), (3); INSERT INTO x VALUES (1, 1), (2, 2), (3, 3); "
        "INSERT INTO c VALUES (1, 1), (2, 2)",
        "a",
        "c",
    )
    database.execute(f"UPDATE a {OLD}; UPDATE c {OLD} WHERE id = 2")
    assert preview(database, "a") == (2, 1, {"public.c": 1})
    purge(database, "a")
    assert left(database, "a", "x", "c") == [[1], [1], [1]]


@pytest.mark.parametrize("triggered", [False, True])
def test_partitions_on_both_sides(database, triggered):
    database.execute(
        "CREATE TABLE public.a (id int, k int, PRIMARY KEY (id, k)) PARTITION BY RANGE (k); "
        "CREATE TABLE public.a1 PARTITION OF a FOR VALUES FROM (0) TO (5); "
        "CREATE TABLE public.a2 PARTITION OF a FOR VALUES FROM (5) TO (9) PARTITION BY LIST (k); "
        "CREATE TABLE public.a25 PARTITION OF a2 FOR VALUES IN (5); CREATE TABLE public.a2d PARTITION OF a2 DEFAULT; "
        "CREATE TABLE public.b (id int, k int, a int, PRIMARY KEY (id, k), FOREIGN KEY (a, k) REFERENCES a) "
        "PARTITION BY HASH (id, k); CREATE TABLE public.b0 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 0); "
        "CREATE TABLE public.b1 PARTITION OF b FOR VALUES WITH (MODULUS 2, REMAINDER 1); "
        "INSERT INTO a SELECT i, i FROM generate_series(1, 8) AS i; INSERT INTO b SELECT i, i, i FROM "
        "generate_series(1, 7) AS i"
    )
    for table in "ab":
        call(database, "enable_soft_delete", target=table, follow_foreign_keys=False)
    if triggered:
        database.execute(
            "CREATE TABLE seen (n int); CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO "
            "seen SELECT count(*) FROM gone; RETURN NULL; END$$; CREATE TRIGGER note AFTER DELETE ON a REFERENCING OLD "
            "TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION note()"
        )
    database.execute(f"UPDATE b {OLD} WHERE id <> 2; UPDATE a {OLD} WHERE id <> 6")
    assert preview(database, "a") == (6, 1, {"public.b": 5})
    purge(database, "a", batch_size=3)
    assert left(database, "a", "b") == [[2, 6], [2, 6]]
    if triggered:
        assert database.value("SELECT sum(n) FROM seen") == 6


def test_records_go_with_their_last_row(database):
    database.execute(
        "CREATE TABLE public.p (id int PRIMARY KEY); CREATE TABLE public.c (id int PRIMARY KEY, p int REFERENCES p ON "
        "DELETE CASCADE); CREATE TABLE public.s (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL); "
        "INSERT INTO p SELECT generate_series(1, 6); INSERT INTO c SELECT i, i FROM generate_series(1, 6) AS i; "
        "INSERT INTO s SELECT i, i FROM generate_series(1, 6) AS i"
    )
    for table in "pc":
        call(database, "enable_soft_delete", target=table)
    database.execute("SELECT soft_delete_p(1); SELECT lifecycle.soft_delete_many('p', ARRAY[2, 3]); ")
    database.execute("SELECT soft_delete_p(4)")
    database.execute("SELECT restore_p(4)")
    count = "SELECT (SELECT count(*) FROM lifecycle.deletion), (SELECT count(*) FROM lifecycle.deletion_change)"
    assert rows(database, count) == [(3, 3)]
    age = "UPDATE {0} SET deleted_at = now() - interval '100 days'"
    database.execute(
        "SET session_replication_role = replica; "
        "UPDATE p SET deleted_at = deleted_at - interval '100 days' WHERE id IN (1, 2); "
        "UPDATE c SET deleted_at = deleted_at - interval '100 days' WHERE id = 2; RESET session_replication_role"
    )
    database.execute(age.format("lifecycle.deletion"))
    purge(database, "p")
    assert left(database, "p", "c") == [[1, 3, 4, 5, 6], [1, 3, 4, 5, 6]], "the child of 1 is younger than it"
    assert rows(database, count) == [(2, 3)], "that of 4 has come back as a whole"
    database.execute("SELECT lifecycle.erase('c', 1, dry_run => false)")
    purge(database, "p")
    assert rows(database, count) == [(1, 2)]
    assert rows(database, "SELECT lifecycle.restore('p', 3)")[0][0]["status"] == "restored"
    assert rows(database, "SELECT p FROM s ORDER BY id") == [
        (None,),
        (None,),
        (3,),
        (4,),
        (5,),
        (6,),
    ]
    database.execute("SELECT lifecycle.purge_deleted_step('p', '90 days')")
    assert rows(database, count) == [(0, 0)]


def test_records_of_rows_that_stand_elsewhere_stay(database):
    """What was marked together with a row in another table can be brought back by its number still."""
    database.execute(
        "CREATE TABLE public.p (id int PRIMARY KEY); CREATE TABLE public.c (id int PRIMARY KEY, p int REFERENCES p ON "
        "DELETE CASCADE); INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1)"
    )
    for table in "pc":
        call(database, "enable_soft_delete", target=table)
    database.execute("SELECT soft_delete_p(1); UPDATE c SET p = NULL")
    database.execute("SELECT lifecycle.purge_deleted_step('p', '0'), lifecycle.purge_deleted_step('p', '0')")
    number = database.value("SELECT deletion_id FROM lifecycle.deletion")
    assert rows(database, f"SELECT lifecycle.restore({number})")[0][0]["cascaded"] == {"public.c": 1}
    database.execute("SELECT lifecycle.purge_deleted_step('p', '0')")
    assert database.value("SELECT count(*) FROM lifecycle.deletion") == 0


def test_a_child_is_inserted_meanwhile(database, session, observer):
    """Parents are locked before their children are looked for: the insert waits, and then finds no parent."""
    make(database, CHAIN.format("CASCADE"), "a", "b", "c")
    database.execute(f"DELETE FROM c; DELETE FROM b; UPDATE a {OLD}")
    purging, inserting = session(database, autocommit=False), session(database)
    purging.run("SELECT lifecycle.purge_deleted_step('a', '90 days')")
    inserting.start("INSERT INTO b VALUES (1, 1)")
    assert observer.settle(inserting, [purging]) == "blocked"
    purging.run("COMMIT")
    with refused("23503"):
        inserting.result()
    assert left(database, "a", "b") == [[], []]


def test_a_child_that_is_restored_meanwhile_holds_its_parents(database, session, observer):
    make(database, CHAIN.format("CASCADE"), "a", "b", "c")
    for table in "cba":
        database.execute(f"UPDATE {table} {OLD}")
    restoring, purging = session(database, autocommit=False), session(database)
    restoring.run("UPDATE c SET deleted_at = NULL WHERE id = 3")
    purging.start("CALL lifecycle.purge_deleted('a', '90 days', dry_run => false, batch_size => 1)")
    assert observer.settle(purging) == "done"
    purging.result()
    restoring.run("COMMIT")
    assert left(database, "a", "b", "c") == [[3], [3], [3]]
    assert preview(database, "a") == (0, 1, {})


@pytest.mark.parametrize("lacking", ["SELECT", "UPDATE", "DELETE", "row-level security"])
def test_who_cannot_see_or_delete_the_children(database, roles, lacking):
    make(database, CHAIN.format("CASCADE"), "a", "b")
    database.execute(f"UPDATE b {OLD}; UPDATE a {OLD}")
    app = roles("app")
    call(database, "grant_lifecycle_admin", role_name=app)
    database.execute(f"GRANT SELECT, UPDATE, DELETE ON a, b, c TO {app}")
    if lacking == "row-level security":
        database.execute(f"ALTER TABLE b ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON b TO {app} USING (id < 3)")
    else:
        database.execute(f"REVOKE {lacking} ON b FROM {app}")
    connection = database.connect(app)
    for statement in (
        "SELECT lifecycle.purge_deleted_step('a', '90 days')",
        "SELECT lifecycle.preview_purge_deleted('a', '90 days')",
    ):
        with refused("42501", "cannot be purged by", "public.b"):
            rows(connection, statement)
    assert left(database, "a", "b") == [[1, 2, 3, 4, 5, 6]] * 2


def test_policies_of_the_table_hold(database, roles):
    make(
        database,
        "CREATE TABLE public.a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 6)",
        "a",
    )
    database.execute(f"UPDATE a {OLD}; ALTER TABLE a ENABLE ROW LEVEL SECURITY")
    app = roles("app")
    call(database, "grant_lifecycle_admin", role_name=app)
    database.execute(
        f"GRANT SELECT, UPDATE, DELETE ON a TO {app}; CREATE POLICY s ON a FOR SELECT TO {app} USING (id < 5); "
        f"CREATE POLICY u ON a FOR UPDATE TO {app} USING (id < 4); "
        f"CREATE POLICY d ON a FOR DELETE TO {app} USING (id < 3)"
    )
    connection = database.connect(app)
    connection.autocommit = True
    connection.execute("CALL lifecycle.purge_deleted('a', '90 days', dry_run => false)")
    assert left(database, "a") == [[3, 4, 5, 6]]
    assert database.value("SELECT count(*) FROM lifecycle.deletion") == 1


def test_a_trigger_that_keeps_rows_ends_the_purge(database):
    make(
        database,
        "CREATE TABLE public.a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 4)",
        "a",
    )
    database.execute(
        f"UPDATE a {OLD}; CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; "
        "CREATE TRIGGER keep BEFORE DELETE ON a FOR EACH ROW EXECUTE FUNCTION keep()"
    )
    purge(database, "a", batch_size=2)
    assert left(database, "a") == [[1, 2, 3, 4]]


def test_a_parent_that_is_changed_by_a_trigger_of_its_child_goes_in_the_next_round(
    database,
):
    make(
        database,
        "CREATE TABLE public.a (id int PRIMARY KEY, n int DEFAULT 0); CREATE TABLE public.b (id int PRIMARY KEY, a int "
        "REFERENCES a); INSERT INTO a VALUES (1), (2); INSERT INTO b VALUES (1, 1), (2, 1), (3, 2)",
        "a",
        "b",
    )
    database.execute(
        "CREATE FUNCTION less() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN UPDATE a SET n = n - 1 WHERE id = OLD.a; "
        "RETURN OLD; END'; CREATE TRIGGER less BEFORE DELETE ON b FOR EACH ROW EXECUTE FUNCTION less()"
    )
    database.execute(f"UPDATE b {OLD}; UPDATE a {OLD}")
    try:
        purge(database, "a")
    except psycopg.errors.ForeignKeyViolation:
        pytest.fail("children go first")
    assert left(database, "a", "b") == [[], []]
