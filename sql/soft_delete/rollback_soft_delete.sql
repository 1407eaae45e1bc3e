-- Rows of other tables that were marked together with those of this one, by foreign keys.
CREATE FUNCTION lifecycle._marked_elsewhere(target regclass) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_table record;
    v_rows bigint;
    v_total bigint := 0;
BEGIN
    FOR v_table IN
        SELECT t.tgrelid::regclass AS relation, array_agg(d.deletion_id) AS numbers
        FROM lifecycle.deletion AS d
        CROSS JOIN LATERAL jsonb_object_keys(d.cascaded) AS k (name)
        JOIN pg_trigger AS t ON t.tgname = 'zz_soft_delete_row' AND t.tgparentid = 0
            AND t.tgrelid::regclass::text = k.name
        WHERE d.cascaded <> '{}' AND t.tgrelid <> target
            AND lifecycle._deletion_relation(d.table_schema, d.table_name, d.table_oid, d.origin) = target
        GROUP BY t.tgrelid
    LOOP
        EXECUTE format('SELECT count(*) FROM %s AS t WHERE t.%I = ANY ($1)', v_table.relation,
            (lifecycle._soft_delete_columns(v_table.relation)).deletion_id) INTO v_rows USING v_table.numbers;
        v_total := v_total + v_rows;
    END LOOP;
    RETURN v_total;
END
$fn$;
COMMENT ON FUNCTION lifecycle._marked_elsewhere(regclass) IS
'How many rows of other tables are marked still by deletions of a table.';

-- The last word of the module on its own rollback. Dropping the column would bring deleted rows back to life, so the
-- choice is the caller's; a column that was there before stays, and nothing is at stake.
CREATE FUNCTION lifecycle._marked_by(
    migration_id bigint, OUT target regclass, OUT deleted_at name, OUT is_ours boolean
)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    SELECT c.attrelid::regclass, c.attname INTO target, deleted_at
    FROM lifecycle.migration_step AS s
    JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id
    CROSS JOIN LATERAL lifecycle._locate(s.object, s.address, m.origin) AS a
    JOIN pg_attribute AS c ON c.attrelid = a.object_id AND c.attnum = a.sub_id AND c.atttypid <> 'bigint'::regtype
    WHERE s.migration_id = _marked_by.migration_id AND s.action = 'add column' AND s.status = 'done';
    is_ours := target IS NOT NULL;
    IF NOT is_ours THEN
        -- The column was there before, or a later change has added something.
        SELECT t.tgrelid::regclass INTO target
        FROM lifecycle.migration AS m
        JOIN pg_trigger AS t ON t.tgname = 'zz_soft_delete_row' AND t.tgrelid = CASE
            WHEN m.origin = lifecycle._origin() THEN m.target_oid ELSE to_regclass(m.target)::oid END
        WHERE m.migration_id = _marked_by.migration_id;
        deleted_at := CASE WHEN target IS NOT NULL THEN (lifecycle._soft_delete_columns(target)).deleted_at END;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._marked_by(bigint) IS
'The table of a migration of this module, the column that marks its deleted rows, and whether it made that column.';

CREATE FUNCTION lifecycle._live_keys_of(migration_id bigint) RETURNS SETOF oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT DISTINCT i.indexrelid
    FROM lifecycle.migration_step AS s
    JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id
    CROSS JOIN LATERAL lifecycle._locate(s.object, s.address, m.origin) AS a
    LEFT JOIN pg_constraint AS k ON a.class_id = 'pg_constraint'::regclass AND k.oid = a.object_id
    JOIN pg_index AS i ON i.indexrelid = coalesce(k.conindid, a.object_id) AND i.indisunique
    WHERE s.migration_id = _live_keys_of.migration_id AND s.status = 'done'
        AND s.action IN ('create index', 'add constraint')
$fn$;
COMMENT ON FUNCTION lifecycle._live_keys_of(bigint) IS
'The unique indexes of live rows that a migration has made.';

-- After the triggers have gone, before what needs the rows away.
CREATE FUNCTION lifecycle._with_purge(plan lifecycle.plan_step[], target regclass, deleted_at name, deleted bigint)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT plan[:f.place - 1] || lifecycle._step('delete rows', 'table ' || target,
            CASE WHEN lifecycle._is_intercepted(target)
                THEN format('SET LOCAL lifecycle.real_delete = %L; ', target) ELSE '' END
            || format('DELETE FROM %s AS t WHERE t.%I IS NOT NULL', target, deleted_at),
            note => format('%s deleted rows go for good', deleted))
        || plan[f.place:]
    FROM (
        SELECT min(p.place)::integer AS place
        FROM unnest(plan) WITH ORDINALITY
            AS p (number, stage, action, object, statement, inverse, top_level, note, place)
        WHERE p.action ~ '^undo (add|drop|create index)'
    ) AS f
$fn$;
COMMENT ON FUNCTION lifecycle._with_purge(lifecycle.plan_step[], regclass, name, bigint) IS
'The plan of a rollback with a step that deletes the marked rows for good.';

CREATE FUNCTION lifecycle._rollback_plan_soft_delete(migration_id bigint, plan lifecycle.plan_step[], options jsonb)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_choice constant text := coalesce(options ->> 'deleted_rows', 'refuse');
    v_column_goes boolean;
    v_keys constant oid[] := ARRAY(SELECT lifecycle._live_keys_of(migration_id));
    v_marked record;
    v_deleted bigint;
    v_elsewhere bigint;
BEGIN
    IF v_choice NOT IN ('refuse', 'restore', 'purge', 'keep') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('deleted_rows cannot be %L', v_choice),
            HINT = 'Choose refuse, restore, purge or keep.';
    END IF;
    SELECT m.* INTO v_marked FROM lifecycle._marked_by(migration_id) AS m;
    v_column_goes := v_marked.is_ours AND EXISTS (SELECT FROM unnest(plan) AS p
        WHERE p.action = 'undo add column' AND p.statement IS NOT NULL);
    IF v_marked.target IS NULL OR NOT v_column_goes AND v_keys = '{}' THEN
        RETURN plan;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s WHERE %I IS NOT NULL', v_marked.target, v_marked.deleted_at)
        INTO v_deleted;
    v_elsewhere := CASE WHEN v_deleted > 0 THEN lifecycle._marked_elsewhere(v_marked.target) ELSE 0 END;
    IF v_elsewhere > 0 THEN
        plan := ARRAY(
            SELECT CASE WHEN p.action = 'undo add column' THEN ROW(p.step, p.stage, p.action, p.object, p.statement,
                p.inverse, p.top_level, concat_ws('; ', p.note, format('%s rows of other tables that were marked '
                'together with them stay marked: lifecycle.restore(deletion_id) first', v_elsewhere)))
                ::lifecycle.plan_step ELSE p END
            FROM unnest(plan) AS p
        );
    END IF;
    IF v_deleted > 0 AND v_choice = 'purge' THEN
        RETURN lifecycle._with_purge(plan, v_marked.target, v_marked.deleted_at, v_deleted);
    ELSIF v_column_goes AND v_deleted > 0 AND v_choice = 'refuse' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('soft delete on %s cannot be rolled back while deleted rows exist', v_marked.target),
            DETAIL = format('%s rows are marked as deleted; without column %I they would be live again.', v_deleted,
                v_marked.deleted_at),
            HINT = 'Choose with deleted_rows (rollback_migration: options => {"deleted_rows": ...}): restore brings '
                'them back, purge deletes them for good, keep leaves the columns in place.';
    END IF;
    PERFORM lifecycle._require_unique_again(v_marked.target, v_marked.deleted_at, x) FROM unnest(v_keys) AS x;
    IF v_choice = 'keep' THEN
        RETURN ARRAY(
            SELECT CASE WHEN p.action = 'undo add column'
                    OR p.action = 'undo create index' AND p.statement ~ 'deletion_id_idx"?$'
                THEN lifecycle._step(p.action, p.object, NULL, note => 'stays: deleted_rows is keep') ELSE p END
            FROM unnest(plan) AS p
        );
    END IF;
    RETURN plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_soft_delete(bigint, lifecycle.plan_step[], jsonb) IS
'Refuses a rollback that would bring deleted rows back to life, or does what options.deleted_rows says.';

CREATE FUNCTION lifecycle.rollback_soft_delete(
    target regclass,
    deleted_rows text DEFAULT 'refuse',
    cascade boolean DEFAULT false,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_migrations constant bigint[] := lifecycle._open_migrations('soft_delete', target);
BEGIN
    IF cardinality(v_migrations) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no soft delete stands on %s', coalesce(target::text, 'NULL')),
            HINT = 'SELECT target FROM lifecycle.migration_history WHERE feature = ''soft_delete'' lists where it was.';
    END IF;
    IF EXISTS (
        SELECT FROM lifecycle._conversions() AS c
        WHERE c.partitioned = target AND (c.conversion).phase = 'swapped' AND (c.conversion).ended_at IS NULL
    ) AND EXISTS (
        SELECT FROM lifecycle.migration AS m
        WHERE m.migration_id = ANY (v_migrations) AND m.parameters ? 'carried_from'
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the way back of the conversion of %s rests on its soft delete', target),
            DETAIL = 'The old table is soft-deleted as well, by the same functions.',
            HINT = format('First lifecycle.finish_conversion(%1$L) or lifecycle.rollback_conversion(%1$L).', target);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(v_migrations, dry_run, expected_plan, cascade,
        jsonb_build_object('deleted_rows', deleted_rows), rollback_soft_delete.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_soft_delete(regclass, text, boolean, boolean, text, text) IS
'Takes soft delete off a table: view, functions, triggers and the columns it added go; what was there before comes
back as it was, with the values it has now. The records in lifecycle.deletion stay.

Arguments: target - the table; deleted_rows - what becomes of rows that are marked as deleted, when their column goes:
refuse (the default), restore (they are live again), purge (they are deleted for good), keep (the columns stay);
cascade - take back later changes that rest on it as well; dry_run - only show the plan (the default); expected_plan -
plan_hash of the reviewed dry run; search_path - instead of the journaled one.
Returns: one row a step (lifecycle.step_result).
Errors: 55000 deleted rows exist, soft delete is not enabled, or the table was converted and the conversion is not
finished; 23505 deleted rows hold values that a key would forbid
again; 22023 no such choice; the others as
lifecycle.rollback_migration.
Example: SELECT * FROM lifecycle.rollback_soft_delete(''public.packages'', deleted_rows => ''restore'');';
