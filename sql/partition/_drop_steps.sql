CREATE FUNCTION lifecycle._require_hook(before_drop regprocedure) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF before_drop IS NOT NULL AND NOT EXISTS (SELECT FROM pg_proc AS p
        WHERE p.oid = before_drop AND p.prokind = 'f' AND p.pronargs = 1
            AND p.proargtypes[0] = 'regclass'::regtype)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('%s cannot be called before a partition is dropped', before_drop),
            HINT = 'It must be a function of one argument of type regclass.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_hook(regprocedure) IS
'Raises 22023 unless it is a function that takes a table.';

-- Many at once: in one statement they cost what a bare DROP costs. When it fails, each is tried by itself. A hook may
-- have effects outside: it is called once, each table for itself. A partition to which a foreign key leads must be
-- detached first, or PostgreSQL does not drop it.
CREATE FUNCTION lifecycle._drop_set(
    parent regclass, tables regclass[], failures lifecycle.step_result[], action text, before_drop regprocedure,
    dry_run boolean
) RETURNS lifecycle.set_plan LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH dropped AS (
        SELECT t.place, t.relation::text AS name, CASE WHEN r.is_referenced
            THEN format('ALTER TABLE %s DETACH PARTITION %s; ', parent, t.relation) ELSE '' END AS detach
        FROM (SELECT EXISTS (SELECT FROM pg_constraint AS k WHERE k.confrelid = parent AND k.contype = 'f')
            AND EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhrelid = tables[1] AND i.inhparent = parent)) AS r (
            is_referenced)
        CROSS JOIN unnest(tables) WITH ORDINALITY AS t (relation, place)
    ), planned AS (
        SELECT lifecycle._step(action, CASE count(*) WHEN 1 THEN 'table ' || min(d.name)
                ELSE format('%s tables of %s', count(*), parent) END,
            string_agg(d.detach, '' ORDER BY d.place) || 'DROP TABLE ' || string_agg(d.name, ', ' ORDER BY d.place),
            note => concat_ws('; ', CASE WHEN dry_run THEN
                (SELECT pg_size_pretty(sum(pg_total_relation_size(t.relation))) FROM unnest(tables) AS t (relation))
                END, 'cannot be taken back')) AS step,
            array_agg(lifecycle._step(action, 'table ' || d.name, d.detach || 'DROP TABLE ' || d.name)
                ORDER BY d.place) AS singles
        FROM dropped AS d HAVING count(*) > 0
    )
    SELECT lifecycle._set_plan(parent, coalesce((SELECT CASE WHEN before_drop IS NULL THEN ARRAY[p.step]
            ELSE ARRAY[lifecycle._step('call before drop', 'table ' || tables[1],
                format('SELECT %s(%L::pg_catalog.regclass)', before_drop::regproc, tables[1])), p.step] END
        FROM planned AS p), '{}'), failures, singles => (SELECT p.singles FROM planned AS p))
$fn$;
COMMENT ON FUNCTION lifecycle._drop_set(
    regclass, regclass[], lifecycle.step_result[], text, regprocedure, boolean
) IS 'The plan that drops some tables together, or each by itself when that fails.';
