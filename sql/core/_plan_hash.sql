-- One digest for the whole plan, then four hexadecimal digits a step, so that a refusal can show which steps differ
-- from the reviewed ones although nothing of the review was stored. Beyond 200 steps the digest stands alone.
CREATE FUNCTION lifecycle._plan_hash(plan lifecycle.plan_step[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT left(encode(sha256(convert_to(coalesce(string_agg(d.digest, ',' ORDER BY d.step), ''), 'UTF8')), 'hex'), 24)
        || CASE WHEN count(*) BETWEEN 1 AND 200 THEN '-' || string_agg(left(d.digest, 4), '' ORDER BY d.step)
            ELSE '' END
    FROM (
        SELECT s.step, lifecycle._step_digest(s.action, s.object, s.statement, s.inverse) AS digest
        FROM unnest(plan) WITH ORDINALITY AS s (number, stage, action, object, statement, inverse, top_level, note,
            step)
    ) AS d
$fn$;
COMMENT ON FUNCTION lifecycle._plan_hash(lifecycle.plan_step[]) IS
'The hash of a plan: of action, object, statement and inverse of every step, in order.';
