-- The shapes that every module shares.
CREATE TYPE lifecycle.plan_step AS (
    step integer,
    stage integer,
    action text,
    object text,
    statement text,
    inverse text,
    top_level boolean,
    note text
);
COMMENT ON TYPE lifecycle.plan_step IS
'One statement together with its inverse. stage: what must not share a transaction with an earlier step comes in a
later stage. object: "<type> <identity>" as pg_identify_object writes it. statement NULL: it stands already. inverse
NULL: nothing to undo. top_level: PostgreSQL refuses the statement inside a function (CREATE INDEX CONCURRENTLY).';

CREATE TYPE lifecycle.step_result AS (
    migration_id bigint,
    step integer,
    stage integer,
    action text,
    object text,
    statement text,
    status text,
    plan_hash text,
    note text
);
COMMENT ON TYPE lifecycle.step_result IS
'One row a step of a change. status: planned (dry run), done, skipped (it stood already), pending (a later stage or a
top-level statement, see lifecycle.pending_steps), failed. plan_hash: pass it as expected_plan to run exactly the plan
that was reviewed.';

CREATE TYPE lifecycle.finding AS (
    severity text,
    object text,
    finding text,
    detail text,
    remedy text
);
COMMENT ON TYPE lifecycle.finding IS
'The one shape of every check. severity: ok, info, warning or error; remedy: a statement that mends it, or NULL.';

CREATE TYPE lifecycle.object_address AS (
    class_id oid,
    object_id oid,
    sub_id integer
);
COMMENT ON TYPE lifecycle.object_address IS
'An object as pg_depend names it: catalog, oid, column number.';
