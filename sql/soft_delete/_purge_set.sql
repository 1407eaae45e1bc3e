-- What a purge takes: rows that have been deleted for long enough, with all that refers to them and has been deleted
-- for long enough, too. Nothing younger goes, nor what lives: a row stays with everything that it hangs on. Rows are
-- known by their places, which stand still while the rows are locked; parents are locked before their children are
-- looked for, so that nobody can add another one.
CREATE FUNCTION lifecycle._purge_keys(
    target regclass, OUT foreign_key oid, OUT child regclass, OUT child_root oid, OUT parent oid, OUT is_marked boolean,
    OUT goes boolean
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE key AS (
        SELECT k.oid, k.conrelid, coalesce(pg_partition_root(k.conrelid), k.conrelid)::oid AS root, k.confrelid,
            coalesce(pg_partition_root(k.confrelid), k.confrelid)::oid AS referred, k.confdeltype = 'c' AS cascades,
            k.confdeltype IN ('n', 'd') AS clears,
            lifecycle._has_soft_delete(k.conrelid) AS is_marked
        FROM pg_constraint AS k WHERE k.contype = 'f' AND k.conparentid = 0
    ), member AS (
        SELECT target::oid AS root
        UNION
        SELECT k.root FROM member AS m JOIN key AS k ON k.referred = m.root WHERE k.is_marked OR k.cascades
    )
    SELECT k.oid, k.conrelid::regclass, k.root, k.confrelid, k.is_marked, k.is_marked OR k.cascades
    FROM member AS m JOIN key AS k ON k.referred = m.root
    WHERE k.is_marked OR NOT (k.clears OR k.cascades)
        -- What cannot be marked goes with its parent; it matters when something refers to it.
        OR k.cascades AND EXISTS (SELECT FROM key AS o WHERE o.referred = k.root AND (o.is_marked OR NOT o.clears))
    ORDER BY k.oid
$fn$;
COMMENT ON FUNCTION lifecycle._purge_keys(regclass) IS
'The foreign keys that a purge of a table has to look at, those to tables that refer to it included: is_marked - the
rows of the child can be marked as deleted; goes - they may go with their parents.';

CREATE FUNCTION lifecycle._require_purgeable(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_child regclass := (
        SELECT k.child FROM lifecycle._purge_keys(target) AS k
        WHERE k.child_root <> target AND (row_security_active(k.child)
            OR NOT has_table_privilege(k.child, 'SELECT')
            OR k.goes AND NOT has_table_privilege(k.child, 'UPDATE')
            OR k.is_marked AND NOT has_table_privilege(k.child, 'DELETE'))
        LIMIT 1);
BEGIN
    IF v_child IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('rows of %s cannot be purged by %I', target, current_user),
            DETAIL = format('Rows of %s may refer to them: who purges must see all of those, and may have to delete '
                'them first.', v_child),
            HINT = format('Call it with the rights to SELECT, UPDATE and DELETE in %s, and free of its row-level '
                'security.', v_child);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_purgeable(regclass) IS
'Raises 42501 unless the caller sees all rows of tables that refer to a table, and may delete them.';

-- A partition is named by its table and its bounds, so that triggers and policies are those of the table.
CREATE FUNCTION lifecycle._purge_source(part lifecycle.purge_part) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('%s%s AS t WHERE t.tableoid OPERATOR(pg_catalog.=) %s AND t.ctid OPERATOR(pg_catalog.=) ANY '
        '(%L::pg_catalog.tid[])%s', CASE WHEN part.relation = part.root THEN 'ONLY ' ELSE '' END, part.root::regclass,
        part.relation, part.places, CASE WHEN part.relation <> part.root
            THEN coalesce(' AND ' || pg_get_partition_constraintdef(part.relation), '') ELSE '' END)
$fn$;
COMMENT ON FUNCTION lifecycle._purge_source(lifecycle.purge_part) IS
'These rows, alias t, for what follows FROM.';

CREATE FUNCTION lifecycle._purge_table(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || relation FROM pg_class AS c WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._purge_table(regclass) IS
'A table for FROM, without what inherits from it: a foreign key does not hold for that.';

CREATE FUNCTION lifecycle._purge_concerns(parent oid, part lifecycle.purge_part) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT parent = part.root OR parent IN (SELECT a::oid FROM pg_partition_ancestors(part.relation) AS a)
$fn$;
COMMENT ON FUNCTION lifecycle._purge_concerns(oid, lifecycle.purge_part) IS
'Whether a foreign key to a table, or to a partition, can refer to these rows.';

CREATE FUNCTION lifecycle._purge_pick(
    target regclass, cutoff timestamptz, batch_size integer, locked boolean, passed lifecycle.purge_part[],
    numbered_only boolean
) RETURNS lifecycle.purge_part[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_number constant name := (lifecycle._soft_delete_columns(target)).deletion_id;
    v_condition constant text := lifecycle._purge_condition(target,
        (lifecycle._soft_delete_columns(target)).deleted_at, cutoff);
    v_picked lifecycle.purge_part[];
BEGIN
    -- Rows that were marked before the table was enabled have no number, and no index leads to them. In whatever order
    -- the planner likes: a sort would read all that is left for each batch.
    FOR v_round IN 1..CASE WHEN numbered_only THEN 1 ELSE 2 END LOOP
        EXECUTE format('SELECT array_agg(ROW(r.relation, %s, r.places)::lifecycle.purge_part) FROM ('
            'SELECT t.relation, array_agg(t.place) AS places FROM ('
            'SELECT t.tableoid AS relation, t.ctid AS place FROM %s AS t WHERE t.%I IS %sNULL AND %s%s%s%s) AS t '
            'GROUP BY t.relation) AS r',
            target::oid, target, v_number, CASE v_round WHEN 1 THEN 'NOT ' ELSE '' END, v_condition,
            CASE WHEN cardinality(passed) > 0 THEN ' AND NOT EXISTS (SELECT FROM unnest($1) AS p CROSS JOIN LATERAL '
                'unnest(p.places) AS x (place) WHERE p.relation = t.tableoid AND x.place = t.ctid)' ELSE '' END,
            CASE WHEN batch_size IS NULL THEN '' ELSE format(' LIMIT %s', batch_size) END,
            CASE WHEN locked THEN ' FOR UPDATE OF t SKIP LOCKED' ELSE '' END)
        INTO v_picked USING passed;
        EXIT WHEN v_picked IS NOT NULL AND batch_size IS NOT NULL;
        passed := passed || v_picked;
    END LOOP;
    RETURN CASE WHEN batch_size IS NULL THEN passed ELSE coalesce(v_picked, '{}') END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._purge_pick(
    regclass, timestamptz, integer, boolean, lifecycle.purge_part[], boolean
) IS
'Rows of a table that are old enough, and are not among those passed by: a batch, those that somebody has locked left
out where locked is true; or all of them (batch_size NULL). numbered_only: those without a deletion_id left out, too,
for which the whole table is read.';

CREATE FUNCTION lifecycle._purge_children(
    target regclass, cutoff timestamptz, picked lifecycle.purge_part[], locked boolean
) RETURNS lifecycle.purge_part[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_set lifecycle.purge_part[] := picked;
    v_next lifecycle.purge_part[] := picked;
    v_fresh lifecycle.purge_part[];
    v_part lifecycle.purge_part;
    v_found lifecycle.purge_part;
    v_children lifecycle.purge_part[];
    v_key record;
BEGIN
    WHILE cardinality(v_next) > 0 LOOP
        v_fresh := '{}';
        FOR v_key IN SELECT k.* FROM lifecycle._purge_keys(target) AS k WHERE k.goes LOOP
            FOREACH v_part IN ARRAY v_next LOOP
                CONTINUE WHEN NOT lifecycle._purge_concerns(v_key.parent, v_part);
                EXECUTE format('SELECT coalesce(array_agg(ROW(g.relation, %s, g.places)::lifecycle.purge_part), '
                    '''{}'') FROM (SELECT r.relation, array_agg(r.place) AS places FROM (SELECT c.tableoid AS '
                    'relation, c.ctid AS place FROM %s AS c JOIN (SELECT t.* FROM %s) AS p ON %s WHERE %s%s) AS r '
                    'GROUP BY r.relation) AS g', v_key.child_root, lifecycle._purge_table(v_key.child),
                    lifecycle._purge_source(v_part), lifecycle._foreign_key_where(v_key.foreign_key, 'c', 'p'),
                    CASE WHEN v_key.is_marked THEN format('c.%I < %L',
                        (lifecycle._soft_delete_columns(v_key.child)).deleted_at, cutoff) ELSE 'true' END,
                    CASE WHEN locked THEN ' FOR UPDATE OF c SKIP LOCKED' ELSE '' END)
                INTO v_children;
                FOREACH v_found IN ARRAY v_children LOOP
                    v_found.places := ARRAY(
                        SELECT f FROM unnest(v_found.places) AS f
                        EXCEPT
                        SELECT x FROM unnest(v_set) AS s CROSS JOIN LATERAL unnest(s.places) AS x
                        WHERE s.relation = v_found.relation);
                    IF cardinality(v_found.places) > 0 THEN
                        v_set := v_set || v_found;
                        v_fresh := v_fresh || v_found;
                    END IF;
                END LOOP;
            END LOOP;
        END LOOP;
        v_next := v_fresh;
    END LOOP;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._purge_children(regclass, timestamptz, lifecycle.purge_part[], boolean) IS
'These rows with all that refers to them and may go with them, level by level, so that cycles end.';

CREATE FUNCTION lifecycle._purge_closed(target regclass, picked lifecycle.purge_part[])
RETURNS lifecycle.purge_part[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_set lifecycle.purge_part[] := picked;
    v_part lifecycle.purge_part;
    v_key record;
    v_held tid[];
    v_changed boolean := true;
BEGIN
    WHILE v_changed LOOP
        v_changed := false;
        FOR v_key IN SELECT k.* FROM lifecycle._purge_keys(target) AS k LOOP
            FOREACH v_part IN ARRAY v_set LOOP
                CONTINUE WHEN NOT lifecycle._purge_concerns(v_key.parent, v_part);
                EXECUTE format('SELECT array_agg(DISTINCT p.ctid) FROM (SELECT t.*, t.ctid FROM %s) AS p JOIN %s AS c '
                    'ON %s WHERE NOT EXISTS (SELECT FROM unnest($1) AS s CROSS JOIN LATERAL unnest(s.places) '
                    'AS x (place) WHERE s.relation = c.tableoid AND x.place = c.ctid)',
                    lifecycle._purge_source(v_part), lifecycle._purge_table(v_key.child),
                    lifecycle._foreign_key_where(v_key.foreign_key, 'c', 'p'))
                INTO v_held
                USING ARRAY(SELECT s FROM unnest(v_set) AS s WHERE s.root = v_key.child_root);
                IF v_held IS NOT NULL THEN
                    v_changed := true;
                    v_set := ARRAY(
                        SELECT CASE WHEN s.relation = v_part.relation THEN ROW(s.relation, s.root, ARRAY(
                            SELECT x FROM unnest(s.places) AS x EXCEPT SELECT h FROM unnest(v_held) AS h
                        ))::lifecycle.purge_part ELSE s END
                        FROM unnest(v_set) AS s);
                END IF;
            END LOOP;
        END LOOP;
    END LOOP;
    RETURN v_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._purge_closed(regclass, lifecycle.purge_part[]) IS
'These rows without those that something outside of them refers to.';

CREATE FUNCTION lifecycle._purge_set(
    target regclass, cutoff timestamptz, picked lifecycle.purge_part[], locked boolean
) RETURNS lifecycle.purge_part[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT EXISTS (SELECT FROM lifecycle._purge_keys(target)) THEN
        RETURN picked;
    END IF;
    -- What cannot be marked goes by its foreign key, not by us. One part a table, in which nobody stands twice.
    RETURN (
        SELECT coalesce(array_agg(ROW(x.relation, x.root, x.places)::lifecycle.purge_part), '{}') FROM (
            SELECT s.relation, s.root, array_agg(DISTINCT p.place) AS places
            FROM unnest(lifecycle._purge_closed(target, lifecycle._purge_children(target, cutoff, picked, locked))) AS s
            CROSS JOIN LATERAL unnest(s.places) AS p (place)
            WHERE lifecycle._has_soft_delete(s.root)
            GROUP BY s.relation, s.root
        ) AS x);
END
$fn$;
COMMENT ON FUNCTION lifecycle._purge_set(regclass, timestamptz, lifecycle.purge_part[], boolean) IS
'Of the rows picked, those that may go, and what goes before them.';

-- One statement for all tables: foreign keys are checked at its end, so that no order is wrong, nor a cycle.
CREATE FUNCTION lifecycle._purge_rows(purged lifecycle.purge_part[], path text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_deletes constant text[] := ARRAY(SELECT 'DELETE FROM ' || lifecycle._purge_source(s) FROM unnest(purged) AS s);
BEGIN
    RETURN lifecycle._delete_really(
        ARRAY(SELECT DISTINCT s.root::regclass FROM unnest(purged) AS s),
        CASE WHEN cardinality(v_deletes) = 1 THEN v_deletes[1]
            ELSE (SELECT format('WITH %s %s',
                    string_agg(format('d%s AS (%s RETURNING 1)', d.place, d.statement), ', ' ORDER BY d.place),
                    string_agg(format('SELECT FROM d%s', d.place), ' UNION ALL '))
                FROM unnest(v_deletes) WITH ORDINALITY AS d (statement, place)) END,
        path);
END
$fn$;
COMMENT ON FUNCTION lifecycle._purge_rows(lifecycle.purge_part[], text) IS
'Really deletes these rows; returns their number.';

-- A record goes with the last row of its deletion, and what it has kept to put back. Where not all rows can be seen,
-- it stays.
CREATE FUNCTION lifecycle._forget_deletions(target regclass, cutoff timestamptz, batch_size integer) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_elsewhere text;
    v_records bigint;
BEGIN
    IF row_security_active(target) OR NOT has_table_privilege('lifecycle.deletion', 'SELECT, DELETE')
        OR NOT has_table_privilege('lifecycle.deletion_change', 'SELECT, DELETE')
    THEN
        RETURN 0;
    END IF;
    SELECT string_agg(format(' AND NOT (d.cascaded OPERATOR(pg_catalog.?) %L%s)', t.tgrelid::regclass,
        CASE WHEN has_table_privilege(t.tgrelid, 'SELECT') AND NOT row_security_active(t.tgrelid)
            THEN format(' AND EXISTS (SELECT FROM %s AS t WHERE t.%I = d.deletion_id)', t.tgrelid::regclass,
                (lifecycle._soft_delete_columns(t.tgrelid)).deletion_id) ELSE '' END), '')
    INTO v_elsewhere
    FROM pg_trigger AS t
    WHERE t.tgname = 'zz_soft_delete_row' AND t.tgparentid = 0 AND t.tgrelid <> target;
    EXECUTE format(
        'WITH gone AS MATERIALIZED (SELECT d.deletion_id FROM lifecycle.deletion AS d WHERE d.deleted_at < $1 '
        'AND CASE WHEN d.origin = lifecycle._origin() THEN d.table_oid = ANY ($2) ELSE d.table_schema = $3 AND '
        'd.table_name = $4 END AND NOT EXISTS (SELECT FROM %s AS t WHERE t.%I = d.deletion_id)%s LIMIT $5), '
        'changes AS (DELETE FROM lifecycle.deletion_change AS c USING gone AS g WHERE c.deletion_id = g.deletion_id) '
        'DELETE FROM lifecycle.deletion AS d USING gone AS g WHERE d.deletion_id = g.deletion_id',
        target, (lifecycle._soft_delete_columns(target)).deletion_id, coalesce(v_elsewhere, ''))
    USING cutoff, lifecycle._former_oids(target),
        (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target),
        (SELECT c.relname FROM pg_class AS c WHERE c.oid = target), batch_size;
    GET DIAGNOSTICS v_records = ROW_COUNT;
    RETURN v_records;
END
$fn$;
COMMENT ON FUNCTION lifecycle._forget_deletions(regclass, timestamptz, integer) IS
'Takes away records of deletions of a table, older than a moment, of which no row is left; returns their number.';
