"""What hangs on a partition that is replaced: rights, keys, triggers, captures, odd names, other owners."""

from __future__ import annotations

import pytest

from harness.calls import call, refused, rollback, statuses

STAGED = "SET lifecycle.partition_rewrite_at_once = '0'"
AT_ONCE = '{"at_once": true}'
SET = (
    "CREATE TABLE public.m (id bigint NOT NULL, day date NOT NULL, ref int, note text, PRIMARY KEY (id, day))"
    " PARTITION BY RANGE (day);"
    " CREATE TABLE public.m_2025 PARTITION OF public.m FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    " WITH (fillfactor = 70);"
    " INSERT INTO public.m SELECT n, date '2025-01-01' + n, n % 3 FROM generate_series(1, 300) AS n"
)
SPLIT = {"target": "public.m_2025", "every": "6 months"}


def finish(place, target="public.m"):
    """Runs what is left."""
    for _ in range(20):
        ((step,),) = place.execute("SELECT lifecycle.rewrite_partitions_step(%s)", [target])
        if step["status"] in ("nothing", "waiting"):
            return step["status"]
    raise AssertionError


@pytest.fixture(params=["100", "0"], ids=["at once", "staged"])
def scene(database, request):
    database.execute(SET + f"; SET lifecycle.partition_rewrite_at_once = '{request.param}'")
    return database


def test_rights_security_identity_storage(scene, roles):
    alice = roles("alice")
    scene.execute(
        f"GRANT SELECT ON public.m TO {alice}; GRANT UPDATE (note) ON public.m TO {alice};"
        f" ALTER TABLE public.m ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON public.m TO {alice} USING (ref = 1);"
        f" GRANT SELECT ON public.m_2025 TO {alice}; GRANT UPDATE (note) ON public.m_2025 TO {alice};"
        " ALTER TABLE public.m_2025 ENABLE ROW LEVEL SECURITY;"
        f" CREATE POLICY p ON public.m_2025 TO {alice} USING (ref = 1);"
        " CREATE UNIQUE INDEX u ON public.m (day, id); COMMENT ON TABLE public.m IS 'c';"
        " COMMENT ON TABLE public.m_2025 IS 'c'; ALTER TABLE public.m ALTER COLUMN note SET STATISTICS 7;"
        " ALTER TABLE public.m_2025 ALTER COLUMN note SET STATISTICS 7;"
        " ALTER TABLE public.m REPLICA IDENTITY USING INDEX u;"
        " ALTER TABLE public.m_2025 REPLICA IDENTITY USING INDEX m_2025_day_id_idx;"
        " CREATE PUBLICATION pub FOR TABLE public.m_2025; ANALYZE public.m"
    )
    before = scene.dump(schema_only=True)
    done = call(scene, "split_partition", **SPLIT)
    finish(scene)
    assert scene.execute("SELECT finding FROM lifecycle.validate_partitions('public.m')") == []
    as_alice = scene.connect(alice)
    assert as_alice.execute("SELECT count(*) FROM public.m_2025_07_01").fetchone() == (40,)
    facts = (
        "SELECT c.relreplident, c.reloptions, obj_description(c.oid, 'pg_class'), (SELECT attstattarget FROM"
        " pg_attribute WHERE attrelid = c.oid AND attname = 'note'), EXISTS (SELECT FROM pg_publication_rel WHERE"
        " prrelid = c.oid), (SELECT count(*) FROM pg_constraint WHERE conrelid = c.oid AND contype = 'c')"
        " FROM pg_class AS c WHERE relispartition AND relkind = 'r'"
    )
    assert set(map(str, scene.execute(facts))) == {"('i', ['fillfactor=70'], 'c', 7, True, 0)"}
    rollback(scene, done[0].migration_id, options=AT_ONCE)
    assert scene.dump(schema_only=True) == before


def test_foreign_keys_from_it_are_checked_and_kept(scene):
    scene.execute(
        "CREATE TABLE public.ref (id int PRIMARY KEY); INSERT INTO public.ref VALUES (0), (1), (2);"
        " ALTER TABLE public.m ADD CONSTRAINT fk FOREIGN KEY (ref) REFERENCES public.ref ON DELETE CASCADE"
    )
    before = scene.dump(schema_only=True)
    done = call(scene, "split_partition", **SPLIT)
    # while it is copied a referenced row goes, with what refers to it
    scene.execute("DELETE FROM public.ref WHERE id = 2")
    finish(scene)
    assert scene.value("SELECT count(*) FROM public.m") == 200
    with refused("23503"):
        scene.execute("INSERT INTO public.m VALUES (0, '2025-02-02', 9)")
    scene.execute("DELETE FROM public.ref WHERE id = 1")
    assert scene.value("SELECT count(*) FROM public.m") == 100
    rollback(scene, done[0].migration_id, options=AT_ONCE)
    assert scene.dump(schema_only=True) == before


def test_what_was_replaced_refers_to_nothing(scene):
    scene.execute(
        "CREATE TABLE public.ref (id int PRIMARY KEY); INSERT INTO public.ref VALUES (0), (1), (2);"
        " ALTER TABLE public.m ADD CONSTRAINT fk FOREIGN KEY (ref) REFERENCES public.ref"
    )
    done = call(scene, "split_partition", **SPLIT)
    finish(scene)
    scene.execute("DELETE FROM public.m WHERE ref = 1; DELETE FROM public.ref WHERE id = 1")
    with refused("23503"):
        scene.execute("DELETE FROM public.ref WHERE id = 2")
    rollback(scene, done[0].migration_id, options=AT_ONCE)
    assert scene.value("SELECT count(*) FROM public.m") == 200


def test_foreign_keys_to_it(scene):
    scene.execute("CREATE TABLE public.child (id bigint, day date, FOREIGN KEY (id, day) REFERENCES public.m)")
    done = call(scene, "split_partition", **SPLIT)
    finish(scene)
    scene.execute("INSERT INTO public.child VALUES (1, '2025-01-02')")
    with refused("23503"):
        scene.execute("INSERT INTO public.child VALUES (1, '2025-08-02')")
    names = "{public.m_2025_01_01,public.m_2025_07_01}"
    with refused("23503", "rows of public.child refer to rows of public.m_2025_01_01"):
        call(scene, "merge_partitions", partitions=names)
    with refused("23503"):
        rollback(scene, done[0].migration_id, options=AT_ONCE)
    scene.execute("DELETE FROM public.child")
    rollback(scene, done[0].migration_id, options=AT_ONCE)


def test_triggers_of_the_table_hear_nothing_and_go_on(scene):
    scene.execute(
        "CREATE TABLE public.heard (what text); CREATE FUNCTION public.hear() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO heard VALUES (TG_OP); RETURN NULL; END$$;"
        " CREATE TRIGGER t AFTER INSERT OR UPDATE OR DELETE ON public.m FOR EACH ROW EXECUTE FUNCTION public.hear()"
    )
    before = scene.dump(schema_only=True)
    done = call(scene, "split_partition", **SPLIT)
    finish(scene)
    assert scene.execute("TABLE public.heard") == []
    scene.execute("UPDATE public.m SET ref = 5 WHERE id = 1")
    assert scene.execute("TABLE public.heard") == [("UPDATE",)]
    rollback(scene, done[0].migration_id, options=AT_ONCE)
    assert scene.execute("TABLE public.heard") == [("UPDATE",)]
    assert scene.dump(schema_only=True) == before


@pytest.mark.parametrize("level", ["statement", "row"])
def test_who_captures_the_table_need_not_begin_afresh(scene, level):
    call(scene, "start_capture", target="public.m", consumer="reader", trigger_level=level)
    before = scene.dump(schema_only=True)
    done = call(scene, "split_partition", **SPLIT)
    finish(scene)
    assert scene.execute("SELECT problem FROM lifecycle.capture_status()") == [(None,)]
    scene.execute("UPDATE public.m SET ref = 5 WHERE id = 1; UPDATE public.m_2025_07_01 SET ref = 6 WHERE id = 299")
    drained = scene.execute("SELECT entries, all_rows FROM lifecycle._drain('lifecycle_data.m_reader_queue')")
    assert drained == [(2, False)]
    rollback(scene, done[0].migration_id, options=AT_ONCE)
    assert scene.execute("SELECT problem FROM lifecycle.capture_status()") == [(None,)]
    assert scene.dump(schema_only=True) == before


def test_an_owner_who_is_no_superuser(database, roles):
    owner = roles("owner")
    database.execute(
        SET.replace("public.", "s.").replace(
            "CREATE TABLE s.m (", f"CREATE SCHEMA s AUTHORIZATION {owner}; SET ROLE {owner}; CREATE TABLE s.m (", 1
        )
    )
    database.execute(f"RESET ROLE; SELECT lifecycle.grant_lifecycle_admin('{owner}')")
    connection = database.connect(owner)
    connection.execute(STAGED)
    before = database.dump(schema_only=True)
    done = call(connection, "split_partition", target="s.m_2025", every="3 months")
    while True:
        ((step,),) = connection.execute("SELECT lifecycle.rewrite_partitions_step()").fetchall()
        if step["status"] == "nothing":
            break
    assert database.value("SELECT count(*) FROM pg_inherits AS i WHERE inhparent = 's.m'::regclass") == 4
    rollback(connection, done[0].migration_id, options=AT_ONCE)
    assert database.dump(schema_only=True) == before
    # what row security hides from the owner himself would be lost
    connection.execute("ALTER TABLE s.m_2025 ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
    with refused("42501", "row security hides rows of s.m_2025"):
        call(connection, "split_partition", target="s.m_2025", every="3 months")
    stranger = roles("stranger")
    database.execute(f"SELECT lifecycle.grant_lifecycle_admin('{stranger}'); GRANT USAGE ON SCHEMA s TO {stranger}")
    other = database.connect(stranger)
    with refused("42501", "must be owner of s.m"):
        call(other, "split_partition", target="s.m_2025", every="3 months")
    assert other.execute("SELECT lifecycle.rewrite_partitions_step()").fetchone()[0]["status"] == "nothing"


@pytest.mark.parametrize("name", ['se"lect', "Ünïcode'; DROP", "%I %s $fn$", "x" * 63, "a.b"])
def test_odd_names(scene, name):
    quoted = '"' + name.replace('"', '""') + '"'
    inner = '"' + ("p" + name)[:60].replace('"', '""') + '"'
    scene.execute(
        f'CREATE SCHEMA {quoted}; CREATE TABLE {quoted}.{quoted} ({quoted} date NOT NULL, "i d" int PRIMARY KEY)'
        f" PARTITION BY RANGE ({quoted})".replace(" PRIMARY KEY)", f', PRIMARY KEY ("i d", {quoted}))')
        + f"; CREATE TABLE {quoted}.{inner} PARTITION OF {quoted}.{quoted} FOR VALUES FROM ('2025-01-01') TO"
        f" ('2026-01-01'); INSERT INTO {quoted}.{quoted} SELECT date '2025-01-01' + n, n FROM generate_series(0, 99) n"
    )
    before = scene.dump(schema_only=True)
    parent, leaf = f"{quoted}.{quoted}", f"{quoted}.{inner}"
    done = call(
        scene, "split_partition", target=leaf, boundaries='["2025-02-01"]', partition_names=[name[:30] + "1", None]
    )
    finish(scene, parent)
    assert scene.value(f"SELECT count(*) FROM {parent}") == 100
    assert scene.value("SELECT count(*) FROM pg_inherits WHERE inhparent = %s::regclass", [parent]) == 2
    scene.execute("SELECT lifecycle.manage_partitions(%s, '1 year')", [parent])
    call(scene, "guard_default_partition", target=parent, lower_bound="2025-01-01", upper_bound="2030-01-01")
    scene.execute(f"INSERT INTO {parent} VALUES ('2020-01-01', 1)")
    for _ in range(5):
        scene.execute("SELECT lifecycle.drain_default_partition_step(%s)", [parent])
    assert scene.execute("SELECT * FROM lifecycle.preview_drain_default_partition(%s)", [parent]) == []
    assert done[0].migration_id
    assert "CREATE" in before


def test_what_is_refused(database):
    database.execute(SET)
    with refused("22023", "either boundaries or every"):
        call(database, "split_partition", target="public.m_2025")
    with refused("42P17", "cannot be split there", "It holds FROM"):
        call(database, "split_partition", target="public.m_2025", boundaries='["2027-01-01"]')
    with refused("42809", "public.m is no partition"):
        call(database, "split_partition", target="public.m", every="1 day")
    with refused("22023", "at least two"):
        call(database, "merge_partitions", partitions="{public.m_2025}")
    with refused("55000", "has no default partition"):
        database.execute("CALL lifecycle.drain_default_partition('public.m')")
    with refused("22023", "max_creations"):
        database.execute("CALL lifecycle.drain_default_partition('public.m', max_creations => 0)")
    with refused("22023", "batch_size"):
        database.execute("CALL lifecycle.rewrite_partitions(batch_size => 0)")
    database.execute("CREATE TABLE public.rest PARTITION OF public.m DEFAULT")
    with refused("0A000", "is the default partition"):
        call(database, "split_partition", target="public.rest", every="1 day")
    with refused("42P17", "side by side"):
        call(database, "merge_partitions", partitions="{public.m_2025,public.rest}")
    with refused("42P07", "two partitions cannot both be"):
        call(database, "split_partition", partition_names=["x", "x"], **SPLIT)
    database.execute("CREATE TABLE public.open PARTITION OF public.m FOR VALUES FROM ('2026-01-01') TO (MAXVALUE)")
    with refused("22023", "has no end"):
        call(database, "split_partition", target="public.open", every="1 day")
    database.execute(
        "CREATE TABLE public.n (day date) PARTITION BY RANGE (day); CREATE TABLE public.n_1 PARTITION OF public.n"
        " FOR VALUES FROM ('2025-01-01') TO ('2026-01-01'); INSERT INTO public.n VALUES ('2025-01-01')"
    )
    database.execute(STAGED)
    with refused("42P17", "different tables"):
        call(database, "merge_partitions", partitions="{public.m_2025,public.n_1}")
    with refused("55000", "has no primary key", "at_once"):
        call(database, "split_partition", target="public.n_1", every="6 months")
    assert set(statuses(call(database, "split_partition", target="public.n_1", every="6 months", at_once=True))) == {
        "done"
    }
    call(database, "split_partition", **SPLIT)
    with refused("55006", "are being rewritten already"):
        call(database, "split_partition", **SPLIT)
    with refused("55006", "are being rewritten already"):
        call(database, "merge_partitions", partitions="{public.m_2025,public.open}")


def test_too_many_changes_for_the_lock(database):
    database.execute(SET + ";" + STAGED)
    done = call(database, "split_partition", **SPLIT)
    for _ in range(2):
        database.execute("SELECT lifecycle.rewrite_partitions_step('public.m')")
    database.execute("SET lifecycle.partition_rewrite_backlog = '5'; UPDATE public.m SET ref = 7")
    with refused("55006", "more rows of public.m_2025 have changed"):
        database.execute("SELECT lifecycle._finish_copy(staging) FROM lifecycle.partition_rewrite")
    assert finish(database) == "nothing"
    assert database.value("SELECT count(*) FROM public.m WHERE ref = 7") == 300
    database.execute("DROP TABLE public.m_2025")
    with refused("55000", "have been dropped"):
        rollback(database, done[0].migration_id)


def test_a_source_that_is_gone_stops_no_other(database):
    database.execute(SET + ";" + STAGED + ";" + SET.replace("public.m", "public.other"))
    first = call(database, "split_partition", **SPLIT)
    call(database, "split_partition", target="public.other_2025", every="6 months")
    database.execute("DROP TABLE public.m_2025")
    shown = database.execute("SELECT parent, sources FROM lifecycle.preview_rewrite_partitions()")
    assert shown == [("public.other", ["public.other_2025"]), ("public.m", ["public.m_2025"])]
    with refused("42P01", "public.m_2025"):
        for _ in range(20):
            database.execute("SELECT lifecycle.rewrite_partitions_step()")
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.other'::regclass") == 2
    assert database.value("SELECT count(*) FROM public.other") == 300
    rollback(database, first[0].migration_id)
    assert database.execute("SELECT FROM lifecycle.preview_rewrite_partitions()") == []


def test_run_pending_does_it_too(database):
    database.execute(SET + ";" + STAGED)
    call(database, "split_partition", **SPLIT)
    database.execute("CALL lifecycle.run_pending()")
    assert database.execute("SELECT * FROM lifecycle.preview_rewrite_partitions()") == []
    assert database.value("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.m'::regclass") == 2
    assert database.value("SELECT count(*) FROM public.m") == 300
