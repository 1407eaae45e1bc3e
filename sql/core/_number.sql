CREATE FUNCTION lifecycle._number(plan lifecycle.plan_step[]) RETURNS lifecycle.plan_step[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(
        array_agg(
            ROW(o.step, o.stage, o.action, o.object, o.statement, o.inverse, o.top_level, o.note)::lifecycle.plan_step
            ORDER BY o.step
        ),
        '{}'
    )
    FROM (
        SELECT row_number() OVER (ORDER BY p.stage, p.place)::integer AS step, p.stage, p.action, p.object, p.statement,
            p.inverse, p.top_level, p.note
        FROM unnest(plan) WITH ORDINALITY AS p (number, stage, action, object, statement, inverse, top_level, note,
            place)
    ) AS o
$fn$;
COMMENT ON FUNCTION lifecycle._number(lifecycle.plan_step[]) IS
'The plan in the order in which it runs (stage, then place), numbered.';
