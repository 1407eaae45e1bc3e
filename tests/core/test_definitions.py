"""What is dropped and made again from its definition is the same: pg_dump cannot tell."""

from __future__ import annotations

import pytest

from harness.calls import plan, refused, rollback

BASE = """
CREATE SCHEMA "my app";
CREATE TYPE public.mood AS ENUM ('good', 'bad');
CREATE TABLE public.t (id int PRIMARY KEY, a int, b text, m public.mood, r int REFERENCES public.t);
CREATE FUNCTION public.tf() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
"""

VIEW = (
    BASE
    + """
CREATE VIEW "my app"."the ""view"" x" WITH (security_barrier = true, check_option = cascaded)
    AS SELECT t.id, t.a AS "A b", t.m FROM public.t WHERE t.m = 'good' AND t.b <> 'it''s; $$';
ALTER VIEW "my app"."the ""view"" x" ALTER COLUMN "A b" SET DEFAULT 7;
CREATE TRIGGER instead INSTEAD OF INSERT ON "my app"."the ""view"" x" FOR EACH ROW EXECUTE FUNCTION public.tf();
COMMENT ON VIEW "my app"."the ""view"" x" IS 'it''s a view; \\ "x"';
COMMENT ON COLUMN "my app"."the ""view"" x"."A b" IS 'a column';
COMMENT ON TRIGGER instead ON "my app"."the ""view"" x" IS 'a trigger';
GRANT SELECT, UPDATE ON "my app"."the ""view"" x" TO {alice};
GRANT SELECT ON "my app"."the ""view"" x" TO {bob} WITH GRANT OPTION;
GRANT SELECT ON "my app"."the ""view"" x" TO PUBLIC;
GRANT INSERT ("A b"), UPDATE (id) ON "my app"."the ""view"" x" TO {bob};
GRANT CREATE ON SCHEMA "my app" TO {alice};
ALTER VIEW "my app"."the ""view"" x" OWNER TO {alice};
"""
)

CASES = {
    "view": (VIEW, 'view "my app"."the ""view"" x"', 'DROP VIEW "my app"."the ""view"" x"'),
    "plain view": (BASE + "CREATE VIEW public.v AS SELECT 1 AS one;", "view public.v", "DROP VIEW public.v"),
    "view closed to its owner": (
        BASE + "CREATE VIEW public.v AS SELECT 1 AS one; REVOKE ALL ON public.v FROM CURRENT_USER;",
        "view public.v",
        "DROP VIEW public.v",
    ),
    "view with a rule": (
        BASE
        + "CREATE VIEW public.v AS SELECT id FROM public.t; CREATE RULE r AS ON DELETE TO public.v DO INSTEAD NOTHING;"
        "COMMENT ON RULE r ON public.v IS 'a rule';",
        "view public.v",
        "DROP VIEW public.v",
    ),
    "view with a disabled trigger": (
        BASE + "CREATE VIEW public.v AS SELECT id FROM public.t; CREATE TRIGGER x INSTEAD OF DELETE ON "
        "public.v FOR EACH ROW "
        "EXECUTE FUNCTION public.tf();",
        "view public.v",
        "DROP VIEW public.v",
    ),
    "recursive view": (
        BASE + "CREATE RECURSIVE VIEW public.v (n) AS VALUES (1) UNION ALL SELECT n + 1 FROM v WHERE n < 9;",
        "view public.v",
        "DROP VIEW public.v",
    ),
    "view before default privileges": (
        BASE
        + (
            "CREATE VIEW public.v AS SELECT 1 AS one; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT "
            "SELECT ON TABLES TO {alice};"
        ),
        "view public.v",
        "DROP VIEW public.v",
    ),
    "view closed to default privileges": (
        BASE + "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {alice}; CREATE VIEW public.v AS SELECT 1 AS one; "
        "REVOKE ALL ON public.v FROM {alice}; GRANT SELECT ON public.v TO {bob};",
        "view public.v",
        "DROP VIEW public.v",
    ),
    "function before default privileges": (
        BASE + "CREATE FUNCTION public.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1'; ALTER DEFAULT PRIVILEGES "
        "REVOKE ALL ON FUNCTIONS FROM PUBLIC;"
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO {bob};",
        "function public.f(integer)",
        "DROP FUNCTION public.f(int)",
    ),
    "index": (
        BASE
        + """CREATE INDEX "i ""x"" y" ON public.t USING btree (a DESC NULLS LAST, lower(b) COLLATE "C") INCLUDE (id)
        WITH (fillfactor = 70) WHERE m = 'good'; COMMENT ON INDEX public."i ""x"" y" IS 'it''s';
        ALTER INDEX public."i ""x"" y" ALTER COLUMN 2 SET STATISTICS 77;""",
        'index public."i ""x"" y"',
        'DROP INDEX public."i ""x"" y"',
    ),
    "cluster index": (
        BASE + "CREATE INDEX i ON public.t (a); ALTER TABLE public.t CLUSTER ON i;",
        "index public.i",
        "DROP INDEX public.i",
    ),
    "replica identity index": (
        BASE
        + (
            "ALTER TABLE public.t ALTER a SET NOT NULL; CREATE UNIQUE INDEX i ON public.t (a); ALTER TABLE "
            "public.t REPLICA IDENTITY USING INDEX i;"
        ),
        "index public.i",
        "DROP INDEX public.i",
    ),
    "unique nulls index": (
        BASE + "CREATE UNIQUE INDEX i ON public.t (a) NULLS NOT DISTINCT;",
        "index public.i",
        "DROP INDEX public.i",
    ),
    "function": (
        BASE
        + """CREATE FUNCTION public."f x"(a integer, b text DEFAULT 'it''s; $function$', OUT c bigint) LANGUAGE plpgsql
        STABLE SECURITY DEFINER PARALLEL SAFE COST 7 SET search_path = public, pg_temp SET work_mem = '9MB' AS
            $f$BEGIN c := 1; -- $function$
        END$f$; COMMENT ON FUNCTION public."f x"(int, text) IS 'f''s'; REVOKE ALL ON FUNCTION public."f x"(int,
            text) FROM PUBLIC;
        GRANT EXECUTE ON FUNCTION public."f x"(int, text) TO {alice} WITH GRANT OPTION; GRANT CREATE ON SCHEMA
            public TO {bob};
        ALTER FUNCTION public."f x"(int, text) OWNER TO {bob};""",
        'function public."f x"(integer,text)',
        'DROP FUNCTION public."f x"(int, text)',
    ),
    "procedure": (
        BASE
        + "CREATE PROCEDURE public.p(INOUT a int) LANGUAGE sql AS 'SELECT 1'; COMMENT ON PROCEDURE public.p IS 'x';",
        "procedure public.p(integer)",
        "DROP PROCEDURE public.p(int)",
    ),
    "atomic function": (
        BASE + "CREATE FUNCTION public.f(x int) RETURNS int BEGIN ATOMIC SELECT x + 1; SELECT x + 2; END;",
        "function public.f(integer)",
        "DROP FUNCTION public.f(int)",
    ),
    "set-returning function": (
        BASE + "CREATE FUNCTION public.f(VARIADIC x int[]) RETURNS TABLE (a int, b text) LANGUAGE sql ROWS 5 "
        "AS 'SELECT 1, NULL::text';",
        "function public.f(integer[])",
        "DROP FUNCTION public.f(int[])",
    ),
    "check": (
        BASE
        + """ALTER TABLE public.t ADD CONSTRAINT "c ""x"" y" CHECK (a > 0) NOT VALID;
        COMMENT ON CONSTRAINT "c ""x"" y" ON public.t IS 'x';""",
        'table constraint "c ""x"" y" on public.t',
        'ALTER TABLE public.t DROP CONSTRAINT "c ""x"" y"',
    ),
    "foreign key": (
        BASE
        + (
            "ALTER TABLE public.t ADD CONSTRAINT fk FOREIGN KEY (a) REFERENCES public.t ON DELETE SET NULL "
            "DEFERRABLE INITIALLY DEFERRED;"
        ),
        "table constraint fk on public.t",
        "ALTER TABLE public.t DROP CONSTRAINT fk",
    ),
    "unique": (
        BASE + "ALTER TABLE public.t ADD CONSTRAINT u UNIQUE (a) WITH (fillfactor = 60) DEFERRABLE;",
        "table constraint u on public.t",
        "ALTER TABLE public.t DROP CONSTRAINT u",
    ),
    "exclusion": (
        BASE + "ALTER TABLE public.t ADD CONSTRAINT e EXCLUDE USING btree (a WITH =) WHERE (b IS NOT NULL);",
        "table constraint e on public.t",
        "ALTER TABLE public.t DROP CONSTRAINT e",
    ),
    "trigger": (
        BASE
        + """CREATE TRIGGER "g ""x"" y" BEFORE UPDATE OF a, b ON public.t FOR EACH ROW
        WHEN (old.a IS DISTINCT FROM new.a)
        EXECUTE FUNCTION public.tf('it''s', 'b'); COMMENT ON TRIGGER "g ""x"" y" ON public.t IS 'x'; ALTER
            TABLE public.t DISABLE TRIGGER "g ""x"" y";""",
        'trigger "g ""x"" y" on public.t',
        'DROP TRIGGER "g ""x"" y" ON public.t',
    ),
    "always trigger": (
        BASE + "CREATE TRIGGER g AFTER INSERT ON public.t REFERENCING NEW TABLE AS n EXECUTE FUNCTION public.tf();"
        "ALTER TABLE public.t ENABLE ALWAYS TRIGGER g;",
        "trigger g on public.t",
        "DROP TRIGGER g ON public.t",
    ),
    "constraint trigger": (
        BASE + "CREATE CONSTRAINT TRIGGER g AFTER INSERT ON public.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION public.tf(); ALTER TABLE public.t ENABLE REPLICA TRIGGER g;",
        "trigger g on public.t",
        "DROP TRIGGER g ON public.t",
    ),
    "policy": (
        BASE
        + """CREATE POLICY "p ""x"" y" ON public.t AS RESTRICTIVE FOR UPDATE TO {alice}, {bob}
        USING (m = 'good') WITH CHECK (a > 0);
        COMMENT ON POLICY "p ""x"" y" ON public.t IS 'x';""",
        'policy "p ""x"" y" on public.t',
        'DROP POLICY "p ""x"" y" ON public.t',
    ),
    "insert policy": (
        BASE + "CREATE POLICY p ON public.t FOR INSERT TO PUBLIC WITH CHECK (b = 'x');",
        "policy p on public.t",
        "DROP POLICY p ON public.t",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_drop_and_make_again(database, roles, case):
    setup, name, drop = CASES[case]
    database.execute(setup.replace("{alice}", roles("alice")).replace("{bob}", roles("bob")))
    before = database.dump(schema_only=True)
    script = database.value("SELECT lifecycle._ddl(%s)", [name])
    database.execute(drop)
    assert database.dump(schema_only=True) != before
    database.execute(script)
    assert database.dump(schema_only=True) == before
    assert database.value("SELECT lifecycle._ddl(%s)", [name]) == script


@pytest.mark.parametrize(
    "case", ["view", "view closed to default privileges", "index", "function", "trigger", "policy", "foreign key"]
)
def test_definition_as_the_inverse_of_a_step(database, roles, case):
    setup, name, drop = CASES[case]
    database.execute(setup.replace("{alice}", roles("alice")).replace("{bob}", roles("bob")))
    before = database.dump(schema_only=True)
    plan(database, f"'drop', $n${name}$n$, $d${drop}$d$, lifecycle._ddl($n${name}$n$)")
    assert database.dump(schema_only=True) != before
    rollback(database, 1)
    assert database.dump(schema_only=True) == before


def test_nothing_to_define(database):
    assert database.value("SELECT lifecycle._ddl('view public.nothing')") is None
    database.execute("CREATE TABLE public.t ()")
    with refused("0A000", "cannot write down the definition of table public.t"):
        database.execute("SELECT lifecycle._ddl('table public.t')")


STEPS = {
    "replica identity": ("CREATE TABLE public.t (id int)", "lifecycle._replica_identity_step('public.t', 'FULL')"),
    "replica identity of an index": (
        (
            'CREATE TABLE public.t (id int NOT NULL); CREATE UNIQUE INDEX "i x" ON public.t (id); ALTER TABLE '
            'public.t REPLICA IDENTITY USING INDEX "i x"'
        ),
        "lifecycle._replica_identity_step('public.t', 'NOTHING')",
    ),
    "storage option": (
        "CREATE TABLE public.t (id int) WITH (fillfactor = 90)",
        "lifecycle._storage_step('public.t', 'fillfactor', '50')",
    ),
    "new storage option": (
        "CREATE TABLE public.t (id int)",
        "lifecycle._storage_step('public.t', 'autovacuum_enabled', 'false')",
    ),
    "comment": (
        "CREATE TABLE public.t (id int); COMMENT ON TABLE public.t IS 'it''s'",
        "lifecycle._comment_step('table public.t', 'new')",
    ),
    "new comment": ("CREATE TABLE public.t (id int)", "lifecycle._comment_step('column public.t.id', 'x')"),
    "no comment": (
        "CREATE TABLE public.t (id int CONSTRAINT c CHECK (id > 0)); COMMENT ON CONSTRAINT c ON public.t IS 'x'",
        "lifecycle._comment_step('table constraint c on public.t', NULL)",
    ),
    "owner": (
        "CREATE TABLE public.t (id int); ALTER TABLE public.t OWNER TO {alice}",
        "lifecycle._owner_step('table public.t', current_user, '{alice}')",
    ),
}


@pytest.mark.parametrize("case", STEPS)
def test_property_steps(database, roles, case):
    alice = roles("alice")
    setup, step = (text.replace("{alice}", alice) for text in STEPS[case])
    database.execute(setup)
    before = database.dump(schema_only=True)
    (done,) = plan(database, step)
    assert done.status == "done"
    assert database.dump(schema_only=True) != before
    if case != "owner":
        assert plan(database, step)[0].status == "skipped"
    rollback(database, 1)
    assert database.dump(schema_only=True) == before


def test_replica_identity_of_a_dropped_index(database):
    """PostgreSQL then treats the table as having none; the step must say so rather than be skipped."""
    database.execute(
        "CREATE TABLE public.t (id int NOT NULL); CREATE UNIQUE INDEX i ON public.t (id);"
        "ALTER TABLE public.t REPLICA IDENTITY USING INDEX i; DROP INDEX public.i"
    )
    (done,) = plan(database, "lifecycle._replica_identity_step('public.t', 'FULL')")
    assert done.status == "done"
    assert database.value("SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass") == "f"
    rollback(database, 1)
    assert database.value("SELECT relreplident FROM pg_class WHERE oid = 'public.t'::regclass") == "n"
