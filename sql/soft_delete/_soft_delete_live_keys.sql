-- Unique among live rows. As an index WHERE deleted_at IS NULL: cheap, but an upsert has to repeat the condition. As a
-- generated column that is empty in deleted rows: the table is rewritten, and an upsert names a plain column.

-- Any column of a key may be the empty one, but for the partition key and what is generated itself.
CREATE FUNCTION lifecycle._live_key_source(index_oid oid) RETURNS int2
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT k.number
    FROM pg_index AS i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number AND a.attgenerated = ''
    WHERE i.indexrelid = index_oid AND k.place <= i.indnkeyatts
        AND k.number <> ALL (coalesce((SELECT p.partattrs::int2[] FROM pg_partitioned_table AS p
            WHERE p.partrelid = i.indrelid), '{}'))
    ORDER BY k.place LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._live_key_source(oid) IS 'The number of the column of a key whose values go into the
generated column, or NULL.';

-- The list of columns as PostgreSQL writes it, once as it stands and once with the generated column.
CREATE FUNCTION lifecycle._live_key_lists(index_oid oid, live_column name, OUT present text, OUT live text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.place),
        string_agg(quote_ident(CASE WHEN a.attnum = lifecycle._live_key_source(index_oid) THEN live_column
            ELSE a.attname END), ', ' ORDER BY k.place)
    FROM pg_index AS i
    CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number
    WHERE i.indexrelid = index_oid AND k.place <= i.indnkeyatts
$fn$;
COMMENT ON FUNCTION lifecycle._live_key_lists(oid, name) IS 'The columns of a key, and those of its live form.';

-- What follows the list stays as it is. NULL where the index is more than a plain list of columns.
CREATE FUNCTION lifecycle._live_key_statement(index_oid oid, live_column name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN k.oid IS NOT NULL AND starts_with(d.definition, 'UNIQUE (' || l.present || ')')
            THEN format('ALTER TABLE %s ADD CONSTRAINT %I UNIQUE (%s%s', i.indrelid::regclass, k.conname, l.live,
                substr(d.definition, 9 + length(l.present)))
                || coalesce('; ALTER INDEX ' || index_oid::regclass || ' SET ('
                    || array_to_string(x.reloptions, ', ') || ')', '')
        WHEN k.oid IS NULL AND i.indpred IS NULL AND starts_with(d.definition, w.opening || l.present || ')')
            THEN w.opening || l.live || substr(d.definition, 1 + length(w.opening || l.present))
        END
    FROM pg_index AS i
    JOIN pg_class AS x ON x.oid = i.indexrelid
    LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype = 'u'
    CROSS JOIN LATERAL lifecycle._live_key_lists(index_oid, live_column) AS l
    CROSS JOIN LATERAL (SELECT format('CREATE UNIQUE INDEX %I ON %s USING btree (', x.relname, i.indrelid::regclass)
        AS opening) AS w
    CROSS JOIN LATERAL (SELECT CASE WHEN k.oid IS NULL THEN lifecycle._index_statement(index_oid, x.relname, NULL, '')
        ELSE pg_get_constraintdef(k.oid) END AS definition) AS d
    WHERE i.indexrelid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._live_key_statement(oid, name) IS
'The statement that makes the live form of a key with a generated column, or NULL.';

CREATE FUNCTION lifecycle._live_key_hindrance(index_oid oid, live_keys_as text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN i.indisprimary THEN 'it is the primary key, which names a row, live or deleted'
        WHEN f.names IS NOT NULL THEN format('%s refers to it, and a foreign key needs a key of all rows', f.names)
        WHEN i.indisreplident THEN 'it is the replica identity of the table'
        WHEN NOT i.indisvalid THEN 'it is not valid'
        WHEN k.contype = 'x' AND live_keys_as = 'index' THEN NULL
        WHEN i.indisexclusion THEN 'it excludes more than equal values'
        WHEN live_keys_as = 'index' AND k.condeferrable
            THEN 'it is deferrable, which an index cannot be; live_keys_as => ''column'' would do'
        WHEN live_keys_as = 'index' THEN NULL
        WHEN i.indnullsnotdistinct THEN 'it is NULLS NOT DISTINCT; live_keys_as => ''index'' would do'
        WHEN lifecycle._live_key_statement(index_oid, '') IS NULL
            THEN 'it is more than a list of columns; live_keys_as => ''index'' would do'
        WHEN lifecycle._live_key_source(index_oid) IS NULL
            THEN 'its columns are generated or belong to the partition key'
        END
    FROM pg_index AS i
    LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
        AND k.contype IN ('p', 'u', 'x')
    CROSS JOIN LATERAL (
        SELECT string_agg(format('%I of %s', r.conname, r.conrelid::regclass), ', ' ORDER BY r.conname) AS names
        FROM pg_constraint AS r
        WHERE r.confrelid = i.indrelid AND r.contype = 'f' AND r.conindid = i.indexrelid AND r.conparentid = 0
    ) AS f
    WHERE i.indexrelid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._live_key_hindrance(oid, text) IS
'Why a unique index cannot count live rows only, or NULL.';

-- A list of names; '*' is all but the primary key, and then what hinders is only said.
CREATE FUNCTION lifecycle._live_key_indexes(target regclass, deleted_at name, live_keys text[], live_keys_as text)
RETURNS oid[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_named record;
    v_indexes oid[] := '{}';
BEGIN
    FOR v_named IN
        SELECT n.name, i.indexrelid AS index_oid, lifecycle._live_key_hindrance(i.indexrelid, live_keys_as) AS reason
        FROM unnest(live_keys) WITH ORDINALITY AS n (name, place)
        LEFT JOIN (pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid)
            ON i.indrelid = target AND (c.relname IN (n.name, lifecycle._name(ARRAY[n.name], 'live'))
                OR n.name = '*' AND NOT i.indisprimary)
            AND (i.indisunique OR i.indisexclusion)
        ORDER BY n.place, c.relname
    LOOP
        IF v_named.index_oid IS NULL AND v_named.name IS DISTINCT FROM '*' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'undefined_object',
                MESSAGE = format('%s has no unique key %s', target, coalesce(quote_ident(v_named.name), 'NULL')),
                DETAIL = format('Its unique keys: %s.', coalesce((SELECT string_agg(quote_ident(c.relname), ', '
                        ORDER BY c.relname) FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
                    WHERE i.indrelid = target AND (i.indisunique OR i.indisexclusion) AND NOT i.indisprimary), 'none')),
                HINT = 'live_keys takes names of unique constraints and indexes, or ''{*}'' for all.';
        ELSIF v_named.name <> '*' AND v_named.reason IS NOT NULL
            AND NOT lifecycle._counts_live_rows(v_named.index_oid, deleted_at)
        THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('key %I of %s cannot count live rows only', v_named.name, target),
                DETAIL = format('The reason: %s.', v_named.reason),
                HINT = 'Leave it out of live_keys, or remove what hinders first.';
        END IF;
        v_indexes := v_indexes || v_named.index_oid;
    END LOOP;
    RETURN ARRAY(SELECT DISTINCT x FROM unnest(v_indexes) AS x WHERE x IS NOT NULL ORDER BY x);
END
$fn$;
COMMENT ON FUNCTION lifecycle._live_key_indexes(regclass, name, text[], text) IS
'The unique indexes that live_keys names; raises 42704 for one that is not there, 55000 for one that cannot be.';

CREATE FUNCTION lifecycle._live_exclusion_steps(constraint_oid oid, deleted_at name) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY[
        lifecycle._drop_index_step(k.conindid, 1),
        lifecycle._step('add constraint', format('table constraint %I on %s', k.conname, k.conrelid::regclass),
            format('ALTER TABLE %s ADD CONSTRAINT %I %s WHERE (%s)%s', k.conrelid::regclass, k.conname,
                left(d.definition, -length(d.own || d.timing)),
                concat_ws(' AND ', nullif(substr(d.own, 8), ''), lifecycle._live_predicate(deleted_at)), d.timing),
            format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
            note => 'no rewrite; ACCESS EXCLUSIVE while its index is built')
    ]
    FROM pg_constraint AS k
    JOIN pg_index AS i ON i.indexrelid = k.conindid
    CROSS JOIN LATERAL (
        SELECT pg_get_constraintdef(k.oid) AS definition,
            coalesce(' WHERE (' || pg_get_expr(i.indpred, i.indrelid) || ')', '') AS own,
            CASE WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END
                || CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' ELSE '' END AS timing
    ) AS d
    WHERE k.oid = constraint_oid
$fn$;
COMMENT ON FUNCTION lifecycle._live_exclusion_steps(oid, name) IS
'The steps that let an exclusion constraint count live rows only.';

CREATE FUNCTION lifecycle._live_column_steps(target regclass, index_oid oid, deleted_at name)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_number constant int2 := lifecycle._live_key_source(index_oid);
    v_source name;
    v_type text;
    v_column name;
    v_constraint name := (SELECT k.conname FROM pg_constraint AS k WHERE k.conindid = index_oid AND k.contype = 'u');
BEGIN
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attcollation <> t.typcollation
            THEN format(' COLLATE %I.%I', n.nspname, c.collname) ELSE '' END
    INTO v_source, v_type
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    LEFT JOIN (pg_collation AS c JOIN pg_namespace AS n ON n.oid = c.collnamespace) ON c.oid = a.attcollation
    WHERE a.attrelid = target AND a.attnum = v_number;
    v_column := lifecycle._name(ARRAY['live', v_source::text]);
    IF EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = target AND a.attname = v_column AND a.attnum > 0) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_column',
            MESSAGE = format('column %I of %s stands already', v_column, target),
            DETAIL = format('Key %s would need it for its values in live rows.', index_oid::regclass),
            HINT = 'Rename it, or take live_keys_as => ''index'' for this key.';
    END IF;
    RETURN ARRAY[
        lifecycle._step('add live column', format('column %s.%I', target, v_column),
            format('ALTER TABLE %s ADD COLUMN %I %s GENERATED ALWAYS AS (CASE WHEN %I IS NULL THEN %I END) STORED',
                target, v_column, v_type, deleted_at, v_source),
            format('ALTER TABLE %s DROP COLUMN %I', target, v_column),
            note => format('REWRITES the table under ACCESS EXCLUSIVE: %s with its indexes',
                (SELECT pg_size_pretty(sum(pg_total_relation_size(p.member))) FROM lifecycle._tree(target) AS p))),
        lifecycle._drop_index_step(index_oid, 1),
        lifecycle._step(CASE WHEN v_constraint IS NULL THEN 'create index' ELSE 'add constraint' END,
            CASE WHEN v_constraint IS NULL THEN 'index ' || index_oid::regclass
                ELSE format('table constraint %I on %s', v_constraint, target) END,
            lifecycle._live_key_statement(index_oid, v_column),
            CASE WHEN v_constraint IS NULL THEN 'DROP INDEX ' || index_oid::regclass
                ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', target, v_constraint) END,
            note => format('ON CONFLICT (%s) finds it, on the table and on the view',
                (lifecycle._live_key_lists(index_oid, v_column)).live))
    ];
END
$fn$;
COMMENT ON FUNCTION lifecycle._live_column_steps(regclass, oid, name) IS
'The steps that let a unique key count live rows only, by a generated column.';

CREATE FUNCTION lifecycle._live_key_steps(target regclass, deleted_at name, live_keys text[], live_keys_as text)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_index oid;
    v_reason text;
    v_exclusion oid;
    v_plan lifecycle.plan_step[] := '{}';
BEGIN
    IF live_keys_as IS NULL OR live_keys_as NOT IN ('index', 'column') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('live_keys_as cannot be %s', coalesce(quote_literal(live_keys_as), 'NULL')),
            HINT = 'Choose index or column.';
    END IF;
    FOREACH v_index IN ARRAY lifecycle._live_key_indexes(target, deleted_at, live_keys, live_keys_as) LOOP
        v_reason := CASE WHEN lifecycle._counts_live_rows(v_index, deleted_at) THEN 'counts live rows only already'
            ELSE 'stays as it is: ' || lifecycle._live_key_hindrance(v_index, live_keys_as) END;
        v_exclusion := (SELECT k.oid FROM pg_constraint AS k WHERE k.conindid = v_index AND k.contype = 'x');
        v_plan := v_plan || CASE
            WHEN v_reason IS NOT NULL
                THEN ARRAY[lifecycle._step('live key', 'index ' || v_index::regclass, NULL, note => v_reason)]
            WHEN v_exclusion IS NOT NULL THEN lifecycle._live_exclusion_steps(v_exclusion, deleted_at)
            WHEN live_keys_as = 'column' THEN lifecycle._live_column_steps(target, v_index, deleted_at)
            ELSE lifecycle._live_index_steps(v_index, deleted_at) END;
    END LOOP;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._live_key_steps(regclass, name, text[], text) IS
'The steps that let unique keys count live rows only.';

CREATE FUNCTION lifecycle._live_columns_added(steps lifecycle.plan_step[]) RETURNS name[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(SELECT (parse_ident(substr(s.object, 8)))[3]::name FROM unnest(steps) AS s
        WHERE s.action = 'add live column')
$fn$;
COMMENT ON FUNCTION lifecycle._live_columns_added(lifecycle.plan_step[]) IS
'The generated columns that these steps add.';

-- Taken back, a key counts all rows again: those that are in each other's way are named before anything is done.
CREATE FUNCTION lifecycle._require_unique_again(target regclass, deleted_at name, index_oid oid) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_values text;
    v_condition text;
    v_rows bigint;
BEGIN
    SELECT string_agg(v.word, ', ' ORDER BY k.place), CASE WHEN bool_or(i.indnullsnotdistinct) THEN 'true'
        ELSE string_agg(format('%s IS NOT NULL', v.word), ' AND ' ORDER BY k.place) END
    INTO v_values, v_condition
    FROM pg_index AS i
    CROSS JOIN LATERAL generate_series(1, i.indnkeyatts) AS k (place)
    LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.place - 1] AND a.attgenerated = 's'
        AND lifecycle._counts_live_rows(index_oid, deleted_at)
    CROSS JOIN LATERAL (
        SELECT coalesce((
            SELECT quote_ident(s.attname) FROM pg_attrdef AS g
            JOIN pg_depend AS d ON d.classid = 'pg_attrdef'::regclass AND d.objid = g.oid
                AND d.refobjid = target AND d.refobjsubid NOT IN (0, a.attnum)
            JOIN pg_attribute AS s ON s.attrelid = target AND s.attnum = d.refobjsubid AND s.attname <> deleted_at
            WHERE g.adrelid = target AND g.adnum = a.attnum LIMIT 1
        ), pg_get_indexdef(index_oid, k.place, true)) AS word
    ) AS v
    WHERE i.indexrelid = index_oid AND NOT i.indisexclusion;
    IF v_values IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %s WHERE %s GROUP BY %s HAVING count(*) > 1) AS d', target,
        v_condition, v_values) INTO v_rows;
    IF v_rows > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            MESSAGE = format('key %s cannot count all rows of %s again', index_oid::regclass, target),
            DETAIL = format('%s values of (%s) stand in several rows, of which one at most is live.', v_rows, v_values),
            HINT = 'Take back with deleted_rows => purge, or change or purge those deleted rows first.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_unique_again(regclass, name, oid) IS
'Raises 23505 when deleted rows hold values that a unique key of all rows forbids.';
