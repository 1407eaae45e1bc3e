-- What a DELETE would do by foreign keys, done for marked rows, and taken back when they come back. Four generated
-- functions a table, in one alphabet: rows are named by the number in deletion_id; a number below zero means that the
-- deletion is being taken back, and stands in the rows only as long as the statement runs.
--   _row  the trigger function that numbers the rows
--   _ref  goes through the foreign keys that refer to the table, for its rows with a number
--   _key  one foreign key of the table: marks, clears, or brings back the rows that refer to such rows
--   _own  the end of a statement: what must hold then is checked here, NO ACTION and RESTRICT alike
-- They look foreign keys up when they run: one that was made since is followed too. pg_trigger leads to those that
-- refer to a table by an index, pg_constraint does not.
-- Everything that the statements for one foreign key are made of.
CREATE FUNCTION lifecycle._soft_delete_key_query() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$SELECT k.conname, k.confdeltype, k.conrelid::regclass AS child, k.confrelid::regclass AS parent,
        c.oid AS table_oid, r.oid::regclass AS neighbour, n.nspname, c.relname, r.oid = {self} AS is_child, x.*,
        coalesce(pg_partition_root(k.confrelid), k.confrelid) = {self} AS is_parent,
        (SELECT a.attname FROM pg_trigger AS t
            JOIN pg_depend AS d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refobjid = t.tgrelid
            JOIN pg_attribute AS a ON a.attrelid = t.tgrelid AND a.attnum = d.refobjsubid
            WHERE t.tgrelid = CASE action WHEN 'parents' THEN r.oid
                ELSE coalesce(pg_partition_root(k.confrelid), k.confrelid) END AND t.tgname = 'zz_soft_delete_row'
                AND a.atttypid = 'bigint'::regtype LIMIT 1) AS number_column,
        (SELECT string_agg(format('%L, c.%I', a.attname, a.attname), ', ') FROM pg_index AS i
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
            WHERE i.indrelid = k.conrelid AND i.indisprimary) AS row_key,
        (SELECT string_agg(format('c.%I OPERATOR(%s.%s) r.%1$I', a.attname, o.oprnamespace::regnamespace, o.oprname),
                ' AND ')
            FROM pg_index AS i
            CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) AS u (number, class)
            JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = u.number
            JOIN pg_opclass AS s ON s.oid = u.class
            JOIN pg_amop AS m ON m.amopfamily = s.opcfamily AND m.amopstrategy = 3 AND m.amoplefttype = s.opcintype
                AND m.amoprighttype = s.opcintype
            JOIN pg_operator AS o ON o.oid = m.amopopr
            WHERE i.indrelid = k.conrelid AND i.indisprimary) AS same_row
    INTO v_key
    FROM pg_constraint AS k
    JOIN pg_class AS c ON c.oid = k.conrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_class AS r ON r.oid = coalesce(pg_partition_root(k.conrelid), k.conrelid)
    CROSS JOIN LATERAL (
        SELECT string_agg(format('k.k%s OPERATOR(%I.%s) c.%I', u.place, s.nspname, o.oprname, f.attname), ' AND ')
                AS match,
            string_agg(format('p.%I OPERATOR(%I.%s) k.k%s', p.attname, s.nspname, o.oprname, u.place), ' AND ')
                AS upward,
            string_agg(format('k%s %s', u.place, format_type(p.atttypid, -1)), ', ') AS parent_types,
            string_agg(format('k%s %s', u.place, format_type(f.atttypid, -1)), ', ') AS child_types,
            string_agg(format('k.k%s', u.place), ', ' ORDER BY u.place) AS names,
            string_agg(format('p.%I AS k%s', p.attname, u.place), ', ' ORDER BY u.place) AS parent_columns,
            string_agg(format('c.%I AS k%s', f.attname, u.place), ', ' ORDER BY u.place) AS child_columns,
            string_agg(format('c.%I', p.attname), ', ' ORDER BY u.place) AS next_columns,
            string_agg(quote_ident(p.attname), ', ' ORDER BY u.place) AS parent_names,
            string_agg(quote_ident(f.attname), ', ' ORDER BY u.place) AS child_names,
            string_agg(format('%L, c.%I', f.attname, f.attname), ', ') AS old_values,
            string_agg(format('%I = %s', f.attname, CASE k.confdeltype WHEN 'd' THEN 'DEFAULT' ELSE 'NULL' END), ', ')
                FILTER (WHERE u.child = ANY (coalesce(k.confdelsetcols, k.conkey))) AS clearing,
            string_agg(format('%I = r.%1$I', f.attname), ', ')
                FILTER (WHERE u.child = ANY (coalesce(k.confdelsetcols, k.conkey))) AS setting_back,
            string_agg(format('c.%I::pg_catalog.text IS NOT DISTINCT FROM (%s)::pg_catalog.text', f.attname,
                CASE k.confdeltype WHEN 'd' THEN coalesce(pg_get_expr(e.adbin, e.adrelid), 'NULL') ELSE 'NULL' END),
                ' AND ') FILTER (WHERE u.child = ANY (coalesce(k.confdelsetcols, k.conkey))) AS unchanged
        FROM unnest(k.conkey, k.confkey, k.conpfeqop) WITH ORDINALITY AS u (child, parent, operator, place)
        JOIN pg_attribute AS f ON f.attrelid = k.conrelid AND f.attnum = u.child
        JOIN pg_attribute AS p ON p.attrelid = k.confrelid AND p.attnum = u.parent
        JOIN pg_operator AS o ON o.oid = u.operator
        JOIN pg_namespace AS s ON s.oid = o.oprnamespace
        LEFT JOIN pg_attrdef AS e ON e.adrelid = f.attrelid AND e.adnum = f.attnum
    ) AS x
    WHERE k.oid = $2 AND k.contype = 'f';$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_key_query() IS
'The passage that reads one foreign key from the catalog.';

CREATE FUNCTION lifecycle._soft_delete_key_snippet(name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE name
        -- The function of another table is called only as long as it runs with its own rights and is its owner's.
        WHEN 'gate' THEN $body$LEFT JOIN LATERAL (
            SELECT g.tgfoid, (SELECT format('%s.%I', q.pronamespace::regnamespace, q.proname) FROM pg_proc AS q
                    WHERE q.pronamespace = f.pronamespace AND q.proname = regexp_replace(f.proname, '_row$', '_key')
                        AND q.prosecdef AND q.proowner = c.relowner) AS name,
                EXISTS (SELECT FROM pg_proc AS q WHERE q.pronamespace = f.pronamespace
                    AND q.proname = regexp_replace(f.proname, '_row$', '_ref')) AS follows
            FROM pg_trigger AS g JOIN pg_proc AS f ON f.oid = g.tgfoid
            WHERE g.tgrelid = c.oid AND g.tgname = 'zz_soft_delete_row'
        ) AS gate ON true$body$
        -- Keys go from one owner to another as values: who may not read the table may follow its foreign key all the
        -- same.
        WHEN 'shared' THEN $body$(pg_get_userbyid(c.relowner) = current_user
            OR (SELECT r.rolsuper FROM pg_roles AS r WHERE r.oid = c.relowner))$body$
        WHEN 'constraint' THEN lifecycle._soft_delete_key_query()
        -- Without a lock on each of its partitions, as pg_partition_tree() takes it.
        WHEN 'members' THEN $body$ARRAY(
        WITH RECURSIVE m (oid) AS (
            SELECT {self}
            UNION ALL
            SELECT i.inhrelid FROM m JOIN pg_inherits AS i ON i.inhparent = m.oid
        )
        SELECT m.oid FROM m)$body$
        -- Only the owner of a table whose rows can be marked lends its rights to those who mark what they refer to. An
        -- UPDATE fires its triggers: a superuser, who may everything, does not run those of others.
        WHEN 'lent' THEN $body$IF NOT v_key.is_child AND action <> 'parents' AND NOT (
            has_schema_privilege(v_key.nspname, 'USAGE') AND has_any_column_privilege(v_key.child, 'SELECT')
            AND (v_key.confdeltype NOT IN ('n', 'd') OR has_any_column_privilege(v_key.child, 'UPDATE')
                AND (SELECT c.relowner = u.oid OR r.rolsuper OR NOT u.rolsuper FROM pg_class AS c
                    JOIN pg_roles AS r ON r.oid = c.relowner JOIN pg_roles AS u ON u.rolname = current_user
                    WHERE c.oid = v_key.child)))
        THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                MESSAGE = format('foreign key %I of %s cannot be followed by %I', v_key.conname, v_key.child,
                    current_user),
                DETAIL = format('The table belongs to %I and is not soft-deleted, so that it is looked at with the '
                    'rights of %I.', pg_get_userbyid((SELECT c.relowner FROM pg_class AS c WHERE c.oid = v_key.child)),
                    current_user),
                HINT = format('Its owner can SELECT * FROM lifecycle.enable_soft_delete(%L), or GRANT SELECT, UPDATE '
                    'ON %s TO %I.', v_key.child, v_key.child, current_user);
        END IF;$body$
        WHEN 'stale' THEN $body$IF v_key.tgfoid IS NOT NULL AND v_key.gate IS NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('foreign key %I of %s cannot be followed', v_key.conname, v_key.child),
                DETAIL = format('%s has another owner than its functions in lifecycle_data.', v_key.neighbour),
                HINT = format('SELECT * FROM lifecycle.sync_active_view(%L)', v_key.neighbour);
        END IF;$body$
        WHEN 'blind' THEN $body$IF row_security_active(v_sight) AND (
            EXISTS (SELECT FROM pg_policy AS y WHERE y.polrelid = v_sight AND NOT y.polpermissive)
            OR NOT EXISTS (SELECT FROM pg_policy AS y CROSS JOIN LATERAL unnest(y.polroles) AS r (role)
                WHERE y.polrelid = v_sight AND y.polcmd = '*' AND pg_get_expr(y.polqual, y.polrelid) = 'true'
                    AND (r.role = 0 OR pg_has_role(r.role, 'USAGE'))))
        THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                MESSAGE = format('row-level security may hide rows of %s from %I', v_sight, current_user),
                DETAIL = 'A foreign key is followed with the rights of the owner of its table, who must see all rows.',
                HINT = format('Give it a policy USING (true), or ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.', v_sight);
        END IF;$body$
    END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_key_snippet(text) IS
'A passage that the generated bodies for foreign keys share.';

CREATE FUNCTION lifecycle._soft_delete_ref_template() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$
-- Generated by pg_lifecycle. Goes through the foreign keys that refer to the table, for its rows with a number: follow,
-- then check. Returns the rows that were touched, by table; NULL when no foreign key refers to the table.
DECLARE
    v_tables oid[] := {members};
    v_sight regclass := {table_literal};
    v_key record;
    v_keys jsonb;
    v_more jsonb;
    v_counts jsonb;
BEGIN
    FOR v_key IN
        SELECT k.oid, k.conname, k.confdeltype, k.confrelid::regclass AS parent, k.conrelid::regclass AS child,
            c.oid::regclass AS neighbour, gate.tgfoid, gate.name AS gate, {shared} AS shared, x.columns
        FROM pg_trigger AS t
        JOIN pg_constraint AS k ON k.oid = t.tgconstraint AND k.confrelid = t.tgrelid AND k.conparentid = 0
        JOIN pg_class AS c ON c.oid = coalesce(pg_partition_root(k.conrelid), k.conrelid)
        CROSS JOIN LATERAL (
            SELECT string_agg(format('''k%s'', p.%I', u.place, a.attname), ', ') AS columns
            FROM unnest(k.confkey) WITH ORDINALITY AS u (number, place)
            JOIN pg_attribute AS a ON a.attrelid = k.confrelid AND a.attnum = u.number
        ) AS x
        {gate}
        WHERE t.tgrelid = ANY (v_tables) AND t.tgisinternal AND t.tgtype::integer & 8 = 8 AND k.contype = 'f'
        ORDER BY k.confdeltype NOT IN ('c', 'n', 'd'), k.confdeltype, k.conname, k.oid
    LOOP
        {stale}
        IF v_counts IS NULL THEN
            v_counts := '{}';
            {blind}
            -- A plain UPDATE leaves room for a child that is being inserted: this waits for it, and lets no new one in.
            IF action = 'follow' AND number > 0 THEN
                PERFORM FROM {table} AS t WHERE t.{deletion_id} OPERATOR(pg_catalog.=) $2 FOR UPDATE;
            END IF;
        END IF;
        CONTINUE WHEN action = 'follow' AND (v_key.confdeltype IN ('a', 'r')
                OR v_key.confdeltype = 'c' AND v_key.gate IS NULL)
            OR action = 'check' AND number < 0 AND (v_key.confdeltype <> 'c' OR v_key.gate IS NULL)
            OR action = 'check' AND v_key.confdeltype = 'n';
        v_keys := NULL;
        IF v_key.gate IS NOT NULL AND NOT v_key.shared THEN
            EXECUTE format('SELECT coalesce(jsonb_agg(jsonb_build_object(%s)), ''[]'') FROM %s AS p WHERE p.%I = $1',
                v_key.columns, v_key.parent, {deletion_id_literal}) INTO v_keys USING number;
        END IF;
        EXECUTE format('SELECT %s($1, $2, $3, $4, $5)', coalesce(v_key.gate, {key_literal}))
            INTO v_more USING action, v_key.oid, number, v_keys, seen;
        v_counts := {add};
    END LOOP;
    RETURN v_counts;
END
$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_ref_template() IS
'The body of the function that goes through the foreign keys to a table, with placeholders.';

CREATE FUNCTION lifecycle._soft_delete_own_template() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$
-- Generated by pg_lifecycle. The end of a statement, for the rows of the table with a number: what must hold then is
-- checked; rows that came back lose their number.
DECLARE
    v_tables oid[] := {members};
    v_key record;
    v_keys jsonb;
BEGIN
    IF number < 0 THEN
        FOR v_key IN
            SELECT k.oid, k.conname, k.conrelid::regclass AS child, c.oid::regclass AS neighbour, gate.tgfoid,
                gate.name AS gate, {shared} AS shared, x.columns
            FROM pg_constraint AS k
            JOIN pg_class AS c ON c.oid = coalesce(pg_partition_root(k.confrelid), k.confrelid)
            CROSS JOIN LATERAL (
                SELECT string_agg(format('''k%s'', p.%I', u.place, a.attname), ', ') AS columns
                FROM unnest(k.conkey) WITH ORDINALITY AS u (number, place)
                JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = u.number
            ) AS x
            {gate}
            WHERE k.conrelid = ANY (v_tables) AND k.contype = 'f' AND k.conparentid = 0 AND gate.follows
            ORDER BY k.conname, k.oid
        LOOP
            {stale}
            v_keys := NULL;
            IF NOT v_key.shared THEN
                EXECUTE format('SELECT coalesce(jsonb_agg(jsonb_build_object(%s)), ''[]'') FROM %s AS p '
                    'WHERE p.%I = $1', v_key.columns, v_key.child, {deletion_id_literal}) INTO v_keys USING number;
            END IF;
            EXECUTE format('SELECT %s($1, $2, $3, $4, $5)', v_key.gate)
                USING 'parents', v_key.oid, number, v_keys, '{}'::oid[];
        END LOOP;
    END IF;
    IF to_regprocedure({ref_literal} || '(text,bigint,oid[])') IS NOT NULL THEN
        PERFORM {ref}('check', $1, seen || {self});
    END IF;
    IF number < 0 THEN
        PERFORM set_config('search_path', {path}, true);
        UPDATE {table} AS t SET {deletion_id} = NULL WHERE t.{deletion_id} OPERATOR(pg_catalog.=) $1;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
END
$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_own_template() IS
'The body of the function that ends a statement on a table, with placeholders.';

-- What one action of _key does, and on which rows: each is one statement, WITH k as the rows of the other side.
CREATE FUNCTION lifecycle._soft_delete_key_actions(name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE name
        WHEN 'mark_children' THEN $body$v_before := current_setting('lifecycle.number', true);
            v_statement := v_with || format('UPDATE %s AS c SET %I = %s, %I = %s FROM k WHERE %s AND %s', v_key.child,
                {deleted_at_literal}, CASE WHEN number > 0 THEN 'pg_catalog.now()' ELSE 'NULL' END,
                {deletion_id_literal}, number, v_live, v_key.match);
            PERFORM set_config('lifecycle.number', number::text, true), set_config('search_path', {path}, true);
            EXECUTE v_statement USING keys;
            GET DIAGNOSTICS v_rows = ROW_COUNT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            PERFORM set_config('lifecycle.number', coalesce(v_before, ''), true);
            IF v_rows > 0 THEN
                v_counts := jsonb_build_object(v_key.neighbour, v_rows);
                IF NOT EXISTS (SELECT FROM {table} AS t WHERE t.{deletion_id} = $3) THEN
                    RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                        MESSAGE = format('rows of %s were not marked as part of deletion %s', v_key.neighbour, v_id),
                        DETAIL = 'Its triggers were made for another owner, or one of them keeps the rows as they are.',
                        HINT = format('SELECT * FROM lifecycle.sync_active_view(%L)', v_key.neighbour);
                ELSIF to_regprocedure({ref_literal} || '(text,bigint,oid[])') IS NOT NULL THEN
                    v_more := coalesce({ref}('follow', $3, '{}'), '{}');
                    v_counts := {add};
                END IF;
            END IF;$body$
        WHEN 'clear_children' THEN $body$IF NOT v_logged OR v_key.row_key IS NULL THEN
                RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                    MESSAGE = format('what foreign key %I of %s clears cannot be recorded', v_key.conname, v_key.child),
                    DETAIL = CASE WHEN v_logged THEN 'The table has no primary key.'
                        ELSE format('%I may not write to lifecycle.deletion_change, or it is gone.', current_user) END,
                    HINT = 'Without a record a restore could not put it back: clear those rows first.';
            END IF;
            EXECUTE v_with || format('INSERT INTO lifecycle.deletion_change (deletion_id, table_schema, table_name, '
                'table_oid, constraint_name, row_key, old_values) SELECT %s, %L, %L, %s, %L, jsonb_build_object(%s), '
                'jsonb_build_object(%s) FROM %s AS c JOIN k ON %s WHERE %s FOR UPDATE OF c', v_id, v_key.nspname,
                v_key.relname, v_key.table_oid, v_key.conname, v_key.row_key, v_key.old_values, v_key.child,
                v_key.match, v_live) USING keys;
            v_statement := v_with || format('UPDATE %s AS c SET %s FROM k WHERE %s AND %s', v_key.child,
                v_key.clearing, v_key.match, v_live);
            PERFORM set_config('search_path', {path}, true);
            EXECUTE v_statement USING keys;
            GET DIAGNOSTICS v_rows = ROW_COUNT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);$body$
        -- What somebody has changed since stays as it is.
        WHEN 'put_back' THEN $body$v_statement := v_with
                || format(', taken AS (DELETE FROM lifecycle.deletion_change AS d USING k WHERE d.deletion_id '
                'OPERATOR(pg_catalog.=) %s AND d.constraint_name OPERATOR(pg_catalog.=) %L AND '
                'lifecycle._deletion_relation(d.table_schema, d.table_name, d.table_oid, d.origin) '
                'OPERATOR(pg_catalog.=) %s AND EXISTS (SELECT FROM pg_catalog.jsonb_populate_record(NULL::%s, '
                'd.old_values) AS c WHERE %s) RETURNING d.row_key, d.old_values) UPDATE %4$s AS c SET %6$s '
                'FROM taken AS d CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%4$s, '
                'd.row_key OPERATOR(pg_catalog.||) d.old_values) AS r WHERE %7$s AND %8$s',
                v_id, v_key.conname, v_key.table_oid, v_key.child,
                v_key.match, v_key.setting_back, v_key.same_row, v_key.unchanged);
            PERFORM set_config('search_path', {path}, true);
            EXECUTE v_statement USING keys;
            GET DIAGNOSTICS v_rows = ROW_COUNT;
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);$body$
        WHEN 'hold' THEN $body$EXECUTE v_with || format('SELECT concat_ws('', '', %s) FROM %s AS c JOIN k ON %s WHERE '
                '%s LIMIT 1', v_key.names, v_key.child, v_key.match, v_live) INTO v_found USING keys;
            IF v_found IS NOT NULL THEN
                RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation',
                    MESSAGE = format('deleting rows of %s violates foreign key constraint %I on %s', v_key.parent,
                        v_key.conname, v_key.child),
                    DETAIL = format('Key (%s)=(%s) is still referenced from %s.', v_key.parent_names, v_found,
                        v_key.child),
                    HINT = CASE WHEN v_key.confdeltype = 'c' THEN format('Rows of %s would really be deleted. SELECT * '
                        'FROM lifecycle.enable_soft_delete(%L) lets them be marked.', v_key.child, v_key.neighbour)
                        ELSE 'Delete or change the rows that refer to it first.' END,
                    CONSTRAINT = v_key.conname, TABLE = v_key.relname, SCHEMA = v_key.nspname;
            END IF;$body$
        -- FOR KEY SHARE would be content with the version that was live before a deletion that has committed meanwhile.
        WHEN 'see_parents' THEN $body$EXECUTE v_with || format(', locked AS MATERIALIZED (SELECT p.%I AS gone, k.* '
                'FROM %s AS p JOIN k ON %s FOR SHARE OF p) SELECT concat_ws('', '', %s) FROM locked AS k '
                'WHERE k.gone IS NOT NULL LIMIT 1', {deleted_at_literal}, v_key.parent, v_key.upward, v_key.names)
            INTO v_found USING keys;
            IF v_found IS NOT NULL THEN
                RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation',
                    MESSAGE = format('rows of %s cannot come back while the row of %s that they refer to is deleted',
                        v_key.child, v_key.parent),
                    DETAIL = format('Key (%s)=(%s) of %s is deleted; foreign key %I.', v_key.parent_names, v_found,
                        v_key.parent, v_key.conname),
                    HINT = 'Restore that row first; what was deleted together with it comes back with it.',
                    CONSTRAINT = v_key.conname, TABLE = v_key.relname, SCHEMA = v_key.nspname;
            END IF;$body$
    END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_key_actions(text) IS
'A passage of the body of the function that does what one foreign key says.';

CREATE FUNCTION lifecycle._soft_delete_key_template() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$
-- Generated by pg_lifecycle. Does what one foreign key of the table says (or one to it, of a table whose rows cannot be
-- marked), for the rows that the other side names: by their number or, where it has another owner, by their keys.
-- SECURITY DEFINER because a foreign key acts with the rights of the owner of its table: rows that row-level security
-- hides from whoever deletes are not left behind. Executable by the owners of the neighbours alone.
DECLARE
    v_id bigint := abs(number);
    v_logged boolean;
    v_before text;
    v_key record;
    v_sight regclass;
    v_with text;
    v_statement text;
    v_live text;
    v_rows bigint := 0;
    v_found text;
    v_more jsonb;
    v_counts jsonb := '{}';
BEGIN
    v_logged := {logged}
    {constraint}
    -- Whoever may execute this owns the other side, and no more.
    IF (v_key.is_child AND action <> 'parents' OR v_key.is_parent AND (action = 'parents' OR keys IS NULL)) IS NOT TRUE
    THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('constraint %s is no foreign key of %s', foreign_key, {table_literal});
    END IF;
    IF number > 0 AND v_logged THEN
        {prove}
    END IF;
    IF action = 'check' AND v_key.is_child AND v_key.confdeltype = 'c' THEN
        IF seen @> ARRAY[{self}] OR NOT EXISTS (SELECT FROM {table} AS t WHERE t.{deletion_id} = $3) THEN
            RETURN v_counts;
        END IF;
        PERFORM {own}($3, seen);
        RETURN v_counts;
    END IF;
    {lent}
    v_sight := CASE WHEN action = 'parents' THEN v_key.parent ELSE v_key.child END;
    {blind}
    v_live := CASE WHEN NOT v_key.is_child THEN 'true'
        -- What another foreign key has marked meanwhile is cleared as well: the order of the keys must not matter.
        WHEN action = 'follow' AND v_key.confdeltype <> 'c' THEN format('(c.%I IS NULL OR c.%I '
            'OPERATOR(pg_catalog.=) %s)', {deleted_at_literal}, {deletion_id_literal}, number)
        WHEN number > 0 THEN format('c.%I IS NULL', {deleted_at_literal})
        ELSE format('c.%I OPERATOR(pg_catalog.=) %s AND c.%I IS NOT NULL', {deletion_id_literal}, v_id,
            {deleted_at_literal}) END;
    v_with := format('WITH RECURSIVE k (%s) AS (%s%s) ', replace(v_key.names, 'k.', ''), CASE
            WHEN keys IS NOT NULL THEN format('SELECT DISTINCT %s FROM pg_catalog.jsonb_to_recordset($1) AS k (%s)',
                v_key.names, CASE action WHEN 'parents' THEN v_key.child_types ELSE v_key.parent_types END)
            WHEN action = 'parents' THEN format('SELECT DISTINCT %s FROM %s AS c WHERE c.%I OPERATOR(pg_catalog.=) %s',
                v_key.child_columns, v_key.child, v_key.number_column, number)
            ELSE format('SELECT %s FROM %s AS p WHERE p.%I OPERATOR(pg_catalog.=) %s', v_key.parent_columns,
                v_key.parent, v_key.number_column, number) END,
        -- A tree is one statement, however deep it is.
        CASE WHEN v_key.child = v_key.parent AND action = 'follow' AND v_key.confdeltype = 'c' THEN format(' UNION '
            'SELECT %s FROM %s AS c JOIN k ON %s WHERE %s', v_key.next_columns, v_key.child, v_key.match, v_live)
            ELSE '' END);
    CASE
        WHEN action = 'parents' THEN
            {see_parents}
        WHEN action = 'check' THEN
            {hold}
        WHEN v_key.confdeltype = 'c' THEN
            {mark_children}
        ELSE
            IF number > 0 THEN
                {clear_children}
            ELSIF v_logged THEN
                {put_back}
            END IF;
            IF v_rows > 0 THEN
                v_counts := jsonb_build_object(format('%s(%s)', v_key.neighbour, v_key.child_names), v_rows);
            END IF;
    END CASE;
    RETURN v_counts;
END
$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_key_template() IS
'The body of the function that does what one foreign key says, with placeholders.';
