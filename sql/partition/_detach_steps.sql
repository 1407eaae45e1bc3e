-- Found before anything is done, so that a dry run tells it too; PostgreSQL would say it in the middle.
CREATE FUNCTION lifecycle._referenced(parent regclass, partitions regclass[])
RETURNS TABLE (partition regclass, child regclass, key_name name) LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key record;
    v_found boolean;
BEGIN
    FOR v_key IN
        WITH key AS MATERIALIZED (
            SELECT k.* FROM pg_constraint AS k
            WHERE k.contype = 'f' AND k.conparentid = 0
                AND (k.confrelid = parent OR k.confrelid IN (SELECT a.relid FROM pg_partition_ancestors(parent) AS a))
        )
        SELECT p.partition, k.conname, k.conrelid::regclass AS child, (
            SELECT string_agg(format('r.%I = p.%I', c.attname, f.attname), ' AND ')
            FROM unnest(k.conkey, k.confkey) AS n (child_number, parent_number)
            JOIN pg_attribute AS c ON c.attrelid = k.conrelid AND c.attnum = n.child_number
            JOIN pg_attribute AS f ON f.attrelid = k.confrelid AND f.attnum = n.parent_number
        ) AS condition
        FROM key AS k CROSS JOIN unnest(partitions) WITH ORDINALITY AS p (partition, place)
        ORDER BY p.place, k.conname
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s AS r JOIN %s AS p ON %s)', v_key.child, v_key.partition,
            v_key.condition) INTO v_found;
        IF v_found THEN
            RETURN QUERY SELECT v_key.partition, v_key.child, v_key.conname;
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._referenced(regclass, regclass[]) IS
'Those of some partitions to whose rows foreign keys lead.';

CREATE FUNCTION lifecycle._require_unreferenced(parent regclass, partition regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key record;
BEGIN
    FOR v_key IN SELECT r.* FROM lifecycle._referenced(parent, ARRAY[partition]) AS r LOOP
        RAISE EXCEPTION USING
            ERRCODE = 'foreign_key_violation',
            MESSAGE = format('rows of %s refer to rows of %s', v_key.child, v_key.partition),
            DETAIL = format('The foreign key is %I.', v_key.key_name),
            HINT = 'Retire those rows first.';
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_unreferenced(regclass, regclass) IS
'Raises 23503 when foreign keys lead to rows of a partition.';

CREATE FUNCTION lifecycle._partition_bounds(partition regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
    SELECT pg_get_expr(c.relpartbound, 0) FROM pg_class AS c WHERE c.oid = partition
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
    parent regclass, partitions regclass[], into_schema name, tell_bounds boolean, online boolean DEFAULT NULL
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
    WITH detached AS MATERIALIZED (
        SELECT p.place, c.oid::regclass AS partition, c.relname, n.nspname,
            pg_get_expr(c.relpartbound, 0) AS bounds, lifecycle._detach_form(parent, c.oid, online) AS form,
            into_schema <> n.nspname AS moves
        FROM unnest(partitions) WITH ORDINALITY AS p (partition, place)
        JOIN pg_class AS c ON c.oid = p.partition
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
    ), worded AS (
        SELECT d.*, format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, d.partition, d.bounds) AS attach,
            CASE WHEN d.moves THEN format('%I.%I', into_schema, d.relname) END AS moved,
            CASE WHEN d.moves THEN format('ALTER TABLE %s SET SCHEMA %I', d.partition, into_schema) END AS there,
            CASE WHEN d.moves THEN format('ALTER TABLE %I.%I SET SCHEMA %I', into_schema, d.relname, d.nspname) END
                AS back,
            CASE WHEN tell_bounds THEN d.bounds END AS note
        FROM detached AS d
    )
    SELECT array_agg(s.step ORDER BY w.place, s.place)
    FROM worded AS w
    CROSS JOIN LATERAL (
        -- One step: the way back is one, too.
        SELECT 1 AS place, lifecycle._step('detach partition', 'table ' || coalesce(w.moved, w.partition::text),
            concat_ws('; ', format('ALTER TABLE %s DETACH PARTITION %s%s', parent, w.partition, w.form), w.there),
            concat_ws('; ', w.back, w.attach),
            note => nullif(concat_ws('; ', w.note,
                CASE WHEN online THEN 'not CONCURRENTLY, which PostgreSQL refuses here' END), '')) AS step
        WHERE w.form <> ' CONCURRENTLY'
        UNION ALL
        SELECT 1, lifecycle._step('detach partition', 'table ' || w.partition,
            format('ALTER TABLE %s DETACH PARTITION %s CONCURRENTLY', parent, w.partition),
            w.attach || format('; SELECT lifecycle._drop_left_checks(%L, %L)', w.partition, ARRAY(
                SELECT k.conname FROM pg_constraint AS k WHERE k.conrelid = w.partition AND k.contype = 'c'
                ORDER BY k.conname))
            -- Wherever it is by then: the rollback follows its name.
            || CASE WHEN w.moves THEN format('; ALTER TABLE %s SET SCHEMA %I', w.partition, w.nspname) ELSE '' END,
            top_level => true, note => w.note)
        WHERE w.form = ' CONCURRENTLY'
        UNION ALL
        SELECT 2, lifecycle._step('set schema', 'table ' || w.moved, w.there, stage => 2)
        WHERE w.form = ' CONCURRENTLY' AND w.moves
    ) AS s
$fn$;
COMMENT ON FUNCTION lifecycle._detach_steps(regclass, regclass[], name, boolean, boolean) IS
'The steps that take partitions out of their table, and into another schema where one is named.';
