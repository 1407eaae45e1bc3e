-- Found before anything is done, so that a dry run tells it too; PostgreSQL would say it in the middle.
CREATE FUNCTION lifecycle._require_unreferenced(parent regclass, partition regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key record;
    v_found boolean;
BEGIN
    FOR v_key IN
        SELECT k.conname, k.conrelid::regclass AS child, (
            SELECT string_agg(format('r.%I = p.%I', c.attname, f.attname), ' AND ')
            FROM unnest(k.conkey, k.confkey) AS n (child_number, parent_number)
            JOIN pg_attribute AS c ON c.attrelid = k.conrelid AND c.attnum = n.child_number
            JOIN pg_attribute AS f ON f.attrelid = k.confrelid AND f.attnum = n.parent_number
        ) AS condition
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND k.conparentid = 0
            AND (k.confrelid = parent OR k.confrelid IN (SELECT a.relid FROM pg_partition_ancestors(parent) AS a))
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS r JOIN %s AS p ON %s)', v_key.child, partition,
            v_key.condition) INTO v_found;
        IF v_found THEN
            RAISE EXCEPTION USING
                ERRCODE = 'foreign_key_violation',
                MESSAGE = format('rows of %s refer to rows of %s', v_key.child, partition),
                DETAIL = format('The foreign key is %I.', v_key.conname),
                HINT = 'Retire those rows first.';
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_unreferenced(regclass, regclass) IS
'Raises 23503 when foreign keys lead to rows of a partition.';

CREATE FUNCTION lifecycle._partition_bounds(partition regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
    SELECT pg_get_expr(c.relpartbound, c.oid) FROM pg_class AS c WHERE c.oid = partition
$fn$;
COMMENT ON FUNCTION lifecycle._partition_bounds(regclass) IS 'FOR VALUES of a partition, the same in every session.';

CREATE FUNCTION lifecycle._detach_steps(parent regclass, partition regclass, into_schema name, note text)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- One step: the way back is one, too.
    SELECT ARRAY[lifecycle._step('detach partition', 'table ' || coalesce(m.moved, partition::text),
        concat_ws('; ', format('ALTER TABLE %s DETACH PARTITION %s', parent, partition),
            CASE WHEN m.moved IS NOT NULL THEN format('ALTER TABLE %s SET SCHEMA %I', partition, into_schema) END),
        concat_ws('; ',
            CASE WHEN m.moved IS NOT NULL THEN format('ALTER TABLE %s SET SCHEMA %I', m.moved, n.nspname) END,
            format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, partition, lifecycle._partition_bounds(partition))),
        note => _detach_steps.note)]
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT CASE WHEN into_schema <> n.nspname THEN format('%I.%I', into_schema, c.relname) END AS moved
    ) AS m
    WHERE c.oid = partition
$fn$;
COMMENT ON FUNCTION lifecycle._detach_steps(regclass, regclass, name, text) IS
'The steps that take a partition out of its table, and into another schema where one is named.';
