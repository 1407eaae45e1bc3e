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

-- CONCURRENTLY leaves the bounds behind as a CHECK, so that ATTACH need not read the rows; then it has done its work.
CREATE FUNCTION lifecycle._drop_left_checks(partition regclass, known name[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_check name;
BEGIN
    FOR v_check IN SELECT k.conname FROM pg_constraint AS k
        WHERE k.conrelid = partition AND k.contype = 'c' AND k.conname <> ALL (known) AND k.coninhcount = 0
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', partition, v_check);
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drop_left_checks(regclass, name[]) IS
'Drops the CHECK constraints of a table that it did not have before it was detached.';

-- PostgreSQL refuses CONCURRENTLY beside a default partition; what broke off is finished, by whatever form.
CREATE FUNCTION lifecycle._detach_form(parent regclass, partition regclass, online boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN (SELECT i.inhdetachpending FROM pg_inherits AS i WHERE i.inhrelid = partition AND i.inhparent = parent)
            THEN ' FINALIZE'
        WHEN coalesce(online, lifecycle.setting('detach_concurrently') = 'on') AND NOT EXISTS (
            SELECT FROM pg_partitioned_table AS p WHERE p.partrelid = parent AND p.partdefid <> 0)
            THEN ' CONCURRENTLY'
        ELSE ''
    END
$fn$;
COMMENT ON FUNCTION lifecycle._detach_form(regclass, regclass, boolean) IS
'How a partition is detached: FINALIZE, CONCURRENTLY, or the plain way (empty).';

CREATE FUNCTION lifecycle._detach_steps(
    parent regclass, partition regclass, into_schema name, note text, online boolean DEFAULT NULL
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN d.form <> ' CONCURRENTLY' THEN
        -- One step: the way back is one, too.
        ARRAY[lifecycle._step('detach partition', 'table ' || coalesce(m.moved, partition::text),
            concat_ws('; ', format('ALTER TABLE %s DETACH PARTITION %s%s', parent, partition, d.form), m.there),
            concat_ws('; ', m.back, d.attach),
            note => concat_ws('; ', _detach_steps.note,
                CASE WHEN online THEN 'not CONCURRENTLY, which PostgreSQL refuses here' END))]
    ELSE
        lifecycle._step('detach partition', 'table ' || partition,
            format('ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY', parent, partition),
            d.attach || format('; SELECT lifecycle._drop_left_checks(%L, %L)', partition, ARRAY(
                SELECT k.conname FROM pg_constraint AS k WHERE k.conrelid = partition AND k.contype = 'c'
                ORDER BY k.conname))
            -- Wherever it is by then: the rollback follows its name.
            || CASE WHEN m.moved IS NOT NULL THEN format('; ALTER TABLE %s SET SCHEMA %I', partition, n.nspname)
                ELSE '' END,
            top_level => true, note => _detach_steps.note)
        || CASE WHEN m.moved IS NOT NULL THEN ARRAY[lifecycle._step('set schema', 'table ' || m.moved, m.there,
            stage => 2)] ELSE '{}' END
    END
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (
        SELECT lifecycle._detach_form(parent, partition, online) AS form,
            format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, partition, lifecycle._partition_bounds(partition))
                AS attach
    ) AS d
    CROSS JOIN LATERAL (
        SELECT format('%I.%I', into_schema, c.relname) AS moved,
            format('ALTER TABLE %s SET SCHEMA %I', partition, into_schema) AS there,
            format('ALTER TABLE %I.%I SET SCHEMA %I', into_schema, c.relname, n.nspname) AS back
        WHERE into_schema <> n.nspname
        UNION ALL
        SELECT NULL, NULL, NULL WHERE into_schema IS NULL OR into_schema = n.nspname
    ) AS m
    WHERE c.oid = partition
$fn$;
COMMENT ON FUNCTION lifecycle._detach_steps(regclass, regclass, name, text, boolean) IS
'The steps that take a partition out of its table, and into another schema where one is named.';
