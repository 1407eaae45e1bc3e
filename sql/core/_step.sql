-- The one way to write a plan step, so that the shape can grow without touching the planners.
CREATE FUNCTION lifecycle._step(
    action text,
    object text,
    statement text,
    inverse text DEFAULT NULL,
    stage integer DEFAULT 1,
    top_level boolean DEFAULT false,
    note text DEFAULT NULL
) RETURNS lifecycle.plan_step LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ROW(NULL, stage, action, object, statement, inverse, top_level, note)::lifecycle.plan_step
$fn$;
COMMENT ON FUNCTION lifecycle._step(text, text, text, text, integer, boolean, text) IS
'Builds one plan step; the executor numbers it. A NULL statement says that the object stands already.';
