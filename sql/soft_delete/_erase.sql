-- Erasing a data subject: its row and all that hangs on it by ON DELETE CASCADE, live, deleted or archived. Rows are
-- known by their primary key, those of a table without one by their place, and are carried as JSON.

CREATE FUNCTION lifecycle._archive_of(target regclass) RETURNS regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT to_regclass(format('%I.%I', n.nspname, lifecycle._name(ARRAY[c.relname::text], 'archive')))
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = target
$fn$;
COMMENT ON FUNCTION lifecycle._archive_of(regclass) IS 'The archive of a table, <table>_archive beside it, or NULL.';

-- An archive has the columns of its table by name.
CREATE FUNCTION lifecycle._erase_columns(
    base regclass, OUT name name, OUT type text, OUT equals text, OUT is_key boolean
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT a.attname, format_type(a.atttypid, -1), k.equals, k.name IS NOT NULL
    FROM pg_attribute AS a
    LEFT JOIN unnest(lifecycle._key_columns(base)) AS k ON k.name = a.attname
    WHERE a.attrelid = base AND a.attnum > 0 AND NOT a.attisdropped AND (k.name IS NOT NULL OR EXISTS (
        SELECT FROM pg_constraint AS f WHERE f.confrelid = base AND f.contype = 'f' AND a.attnum = ANY (f.confkey)))
    ORDER BY a.attnum
$fn$;
COMMENT ON FUNCTION lifecycle._erase_columns(regclass) IS
'The columns of a table by which rows are known or referred to.';

CREATE FUNCTION lifecycle._erase_same(base regclass, subject jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN bool_or(c.is_key)
        THEN format('EXISTS (SELECT FROM pg_catalog.jsonb_to_recordset(%L) AS k (%s) WHERE %s)', subject,
            string_agg(format('%I %s', c.name, c.type), ', ') FILTER (WHERE c.is_key),
            string_agg(format('t.%1$I %2$s k.%1$I', c.name, c.equals), ' AND ') FILTER (WHERE c.is_key))
        ELSE format('(t.tableoid, t.ctid) IN (SELECT (r ->> '''')::pg_catalog.oid, (r ->> '' '')::pg_catalog.tid '
            'FROM pg_catalog.jsonb_array_elements(%L) AS r)', subject) END
    FROM (SELECT 1) AS one LEFT JOIN lifecycle._erase_columns(base) AS c ON true
$fn$;
COMMENT ON FUNCTION lifecycle._erase_same(regclass, jsonb) IS
'The condition that a row, alias t, of a table or of its archive is one of those found.';

-- Row-level security would leave rows out, and nobody would know.
CREATE FUNCTION lifecycle._erase_find(relation regclass, base regclass, condition text, locked boolean) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_found jsonb;
BEGIN
    IF row_security_active(relation) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('row-level security may hide rows of %s from %I', relation, current_user),
            DETAIL = 'What is not seen would not be erased.',
            HINT = 'Call it as the owner of the table, without FORCE ROW LEVEL SECURITY, or as a role with BYPASSRLS.';
    END IF;
    EXECUTE format('SELECT coalesce(jsonb_agg(jsonb_build_object(%s)), ''[]'') FROM (SELECT t.*, t.tableoid, t.ctid '
        'FROM %s AS t WHERE %s%s) AS t',
        (SELECT CASE WHEN bool_or(c.is_key) THEN '' ELSE ''''', t.tableoid, '' '', t.ctid::text'
                || CASE WHEN count(c.name) > 0 THEN ', ' ELSE '' END END
            || coalesce(string_agg(format('%L, t.%I', c.name, c.name), ', ') FILTER (WHERE c.name IS NOT NULL), '')
        FROM (SELECT 1) AS one LEFT JOIN lifecycle._erase_columns(base) AS c ON true),
        relation, condition, CASE WHEN locked THEN ' FOR UPDATE OF t' ELSE '' END) INTO v_found;
    RETURN v_found;
END
$fn$;
COMMENT ON FUNCTION lifecycle._erase_find(regclass, regclass, text, boolean) IS
'The rows of a table or of its archive that meet a condition on alias t, as a JSON array; raises 42501 under row-level
security.';

CREATE FUNCTION lifecycle._erase_children(foreign_key oid, parents jsonb) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('EXISTS (SELECT FROM pg_catalog.jsonb_to_recordset(%L) AS p (%s) WHERE %s)', parents, (
            SELECT string_agg(format('%I %s', c.name, c.type), ', ') FROM lifecycle._erase_columns(k.confrelid) AS c),
        lifecycle._foreign_key_where(k.oid, 't', 'p'))
    FROM pg_constraint AS k WHERE k.oid = foreign_key
$fn$;
COMMENT ON FUNCTION lifecycle._erase_children(oid, jsonb) IS
'The condition that a row, alias t, refers to one of these.';

CREATE FUNCTION lifecycle._json_rest(subject jsonb, known jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(jsonb_agg(f.element), '[]') FROM (
        SELECT e.element FROM jsonb_array_elements(subject) AS e (element)
        EXCEPT
        SELECT e.element FROM jsonb_array_elements(coalesce(known, '[]')) AS e (element)
    ) AS f
$fn$;
COMMENT ON FUNCTION lifecycle._json_rest(jsonb, jsonb) IS 'The elements of an array that another one has not.';

-- {"<oid of the table>": {"table": [row, ...], "archive": [row, ...]}}, level by level, so that cycles end. Parents are
-- locked before their children are looked for: nobody can add another one.
CREATE FUNCTION lifecycle._erase_set(target regclass, condition text, locked boolean) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_all jsonb := '{}';
    v_next jsonb := jsonb_build_array(jsonb_build_array(target::oid, NULL, NULL));
    v_step jsonb;
    v_base regclass;
    v_condition text;
    v_place record;
    v_found jsonb;
    v_fresh jsonb;
BEGIN
    WHILE jsonb_array_length(v_next) > 0 LOOP
        v_step := v_next -> 0;
        v_next := v_next - 0;
        v_base := (v_step ->> 0)::oid;
        v_condition := CASE WHEN v_step ->> 1 IS NULL THEN condition
            ELSE lifecycle._erase_children((v_step ->> 1)::oid, v_step -> 2) END;
        v_fresh := '[]';
        FOR v_place IN
            SELECT 'table' AS name, v_base AS relation
            UNION ALL
            SELECT 'archive', lifecycle._archive_of(v_base) WHERE lifecycle._archive_of(v_base) IS NOT NULL
        LOOP
            v_found := lifecycle._json_rest(
                lifecycle._erase_find(v_place.relation, v_base, v_condition, locked),
                v_all #> ARRAY[v_base::oid::text, v_place.name]);
            v_all := jsonb_set(v_all || jsonb_build_object(v_base::oid::text, coalesce(v_all -> v_base::oid::text,
                '{}')), ARRAY[v_base::oid::text, v_place.name],
                coalesce(v_all #> ARRAY[v_base::oid::text, v_place.name], '[]') || v_found);
            v_fresh := v_fresh || v_found;
        END LOOP;
        IF v_fresh <> '[]' THEN
            v_next := v_next || (
                SELECT coalesce(jsonb_agg(jsonb_build_array(k.conrelid, k.oid, v_fresh) ORDER BY k.oid), '[]')
                FROM pg_constraint AS k
                WHERE k.confrelid = v_base AND k.contype = 'f' AND k.confdeltype = 'c' AND k.conparentid = 0);
        END IF;
    END LOOP;
    RETURN v_all;
END
$fn$;
COMMENT ON FUNCTION lifecycle._erase_set(regclass, text, boolean) IS
'All rows that erasing the rows of a table that meet a condition on alias t would erase, by table.';

-- The other foreign keys: rows that are in the way, or that stay without their reference.
CREATE FUNCTION lifecycle._erase_others(
    subject jsonb, OUT base regclass, OUT relation regclass, OUT rows bigint, OUT is_block boolean, OUT note text
) RETURNS SETOF record LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key record;
BEGIN
    FOR v_key IN
        SELECT k.oid, k.conname, k.conrelid::regclass AS child, k.confdeltype,
            (subject -> k.confrelid::text -> 'table') AS parents
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND k.confdeltype <> 'c' AND k.conparentid = 0
            AND jsonb_array_length(subject -> k.confrelid::text -> 'table') > 0
        ORDER BY k.conrelid::regclass::text, k.conname
    LOOP
        base := v_key.child;
        relation := v_key.child;
        rows := jsonb_array_length(lifecycle._json_rest(
            lifecycle._erase_find(v_key.child, v_key.child, lifecycle._erase_children(v_key.oid, v_key.parents), false),
            subject -> v_key.child::oid::text -> 'table'));
        is_block := v_key.confdeltype IN ('a', 'r');
        note := CASE WHEN is_block THEN format('foreign key %I refuses', v_key.conname)
            ELSE format('foreign key %I: the reference is taken away, the row stays', v_key.conname) END;
        IF rows > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._erase_others(jsonb) IS
'Rows of other tables that refer to what would be erased and would not be erased with it.';

-- A table is emptied when nothing that refers to it waits any more; of a cycle, whichever comes first.
CREATE FUNCTION lifecycle._erase_order(subject jsonb) RETURNS oid[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_left oid[] := ARRAY(SELECT k::oid FROM jsonb_object_keys(subject) AS k);
    v_order oid[] := '{}';
    v_next oid;
BEGIN
    WHILE v_left <> '{}' LOOP
        v_next := (
            SELECT r.relation FROM unnest(v_left) WITH ORDINALITY AS r (relation, place)
            ORDER BY EXISTS (
                SELECT FROM pg_constraint AS k WHERE k.confrelid = r.relation AND k.contype = 'f'
                    AND k.conrelid <> r.relation AND k.conrelid = ANY (v_left)), r.place
            LIMIT 1);
        v_order := v_order || v_next;
        v_left := array_remove(v_left, v_next);
    END LOOP;
    RETURN v_order;
END
$fn$;
COMMENT ON FUNCTION lifecycle._erase_order(jsonb) IS 'The tables in the order in which their rows can go.';

-- A reason is free text, and may name the person: it goes with the last row of its deletion. What SET NULL has taken
-- away is recorded with the keys of both rows. Columns that a foreign key has got since, as those of a partition key,
-- are in no record; of one that is gone nobody knows what it referred to: then any row of that deletion counts that has
-- all the values.
CREATE FUNCTION lifecycle._erase_records(base regclass, subject jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rows constant text := format('%s AS t WHERE %s', base, lifecycle._erase_same(base, subject));
    v_number name;
BEGIN
    IF lifecycle._has_soft_delete(base) THEN
        v_number := (lifecycle._soft_delete_columns(base)).deletion_id;
        EXECUTE format('UPDATE lifecycle.deletion AS d SET reason = NULL FROM (SELECT t.%I AS number, count(*) AS rows '
            'FROM %s GROUP BY 1) AS x WHERE d.deletion_id = x.number AND d.reason IS NOT NULL '
            'AND d.row_count - d.restored_count <= x.rows', v_number, v_rows);
        EXECUTE format('DELETE FROM lifecycle.deletion_change AS d USING %s AND d.deletion_id = t.%I AND NOT EXISTS ('
            'SELECT FROM pg_constraint AS k WHERE k.conrelid = lifecycle._present_oid(d.table_oid) '
            'AND k.conname = d.constraint_name) AND NOT EXISTS (SELECT FROM jsonb_each_text(d.old_values) AS o '
            'WHERE o.value IS NOT NULL AND NOT EXISTS (SELECT FROM jsonb_each_text(to_jsonb(t)) AS e '
            'WHERE e.value = o.value))', v_rows, v_number);
    END IF;
    DELETE FROM lifecycle.deletion_change AS d
    WHERE d.table_oid = ANY (lifecycle._former_oids(base)) AND EXISTS (
            SELECT FROM jsonb_array_elements(subject) AS s (element) WHERE s.element @> d.row_key)
        OR EXISTS (
            SELECT FROM pg_constraint AS k CROSS JOIN LATERAL jsonb_array_elements(subject) AS s (element)
            WHERE k.conrelid = lifecycle._present_oid(d.table_oid) AND k.conname = d.constraint_name
                AND k.confrelid = base
                AND (
                    SELECT count(*) > 0 AND bool_and(
                        (d.old_values ->> c.attname) IS NOT DISTINCT FROM (s.element ->> p.attname))
                    FROM unnest(k.conkey, k.confkey) AS x (child, parent)
                    JOIN pg_attribute AS c ON c.attrelid = k.conrelid AND c.attnum = x.child
                    JOIN pg_attribute AS p ON p.attrelid = k.confrelid AND p.attnum = x.parent
                    WHERE d.old_values ? c.attname));
END
$fn$;
COMMENT ON FUNCTION lifecycle._erase_records(regclass, jsonb) IS
'Takes the reason out of the records of deletions whose last rows these are, and forgets the references to them.';

CREATE FUNCTION lifecycle._erase_rows(subject jsonb, path text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_base regclass;
    v_archive regclass;
    v_rows jsonb;
BEGIN
    FOREACH v_base IN ARRAY lifecycle._erase_order(subject)::regclass[] LOOP
        v_rows := subject -> v_base::oid::text;
        v_archive := lifecycle._archive_of(v_base);
        IF jsonb_array_length(v_rows -> 'archive') > 0 THEN
            PERFORM lifecycle._execute(format('DELETE FROM %s AS t WHERE %s', v_archive,
                lifecycle._erase_same(v_base, v_rows -> 'archive')), path);
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        END IF;
        IF jsonb_array_length(v_rows -> 'table') > 0 THEN
            PERFORM lifecycle._erase_records(v_base, v_rows -> 'table');
            PERFORM lifecycle._delete_really(ARRAY[v_base], format('DELETE FROM %s AS t WHERE %s', v_base,
                lifecycle._erase_same(v_base, v_rows -> 'table')), path);
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._erase_rows(jsonb, text) IS 'Really deletes what was found, children first.';

CREATE FUNCTION lifecycle._erase_report(subject jsonb) RETURNS SETOF lifecycle.erase_result
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_base regclass;
    v_rows jsonb;
    v_line lifecycle.erase_result;
BEGIN
    FOREACH v_base IN ARRAY lifecycle._erase_order(subject)::regclass[] LOOP
        v_rows := subject -> v_base::oid::text;
        SELECT n.nspname, c.relname INTO v_line.table_schema, v_line.table_name
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = v_base;
        EXECUTE format('SELECT count(*) FILTER (WHERE %1$s), count(*) FILTER (WHERE NOT (%1$s)) FROM %2$s AS t '
            'WHERE %3$s', lifecycle._live_where(v_base, 't'), v_base, lifecycle._erase_same(v_base,
            coalesce(v_rows -> 'table', '[]'))) INTO v_line.live, v_line.deleted;
        v_line.archived := coalesce(jsonb_array_length(v_rows -> 'archive'), 0);
        v_line.erased := 0;
        v_line.remaining := v_line.live + v_line.deleted + v_line.archived;
        v_line.note := CASE WHEN lifecycle._archive_of(v_base) IS NULL THEN 'no archive stands' END;
        RETURN NEXT v_line;
    END LOOP;
    RETURN QUERY
    SELECT n.nspname, c.relname, NULL::bigint, NULL::bigint, NULL::bigint, 0::bigint, NULL::bigint,
        format('materialized view: REFRESH MATERIALIZED VIEW %s', c.oid::regclass)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'm' AND EXISTS (
        SELECT FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = c.oid AND d.refclassid = 'pg_class'::regclass
            AND (subject -> d.refobjid::text) IS NOT NULL)
    ORDER BY 1, 2;
END
$fn$;
COMMENT ON FUNCTION lifecycle._erase_report(jsonb) IS 'What stands where, before anything is erased.';
