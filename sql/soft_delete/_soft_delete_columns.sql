-- The trigger is the switch: a table is soft-deleted as long as it has it, and its WHEN clause depends on the two
-- columns. So a restored dump, or a table whose journal is gone, is still known for what it is, and a renamed column
-- is followed.
CREATE FUNCTION lifecycle._has_soft_delete(relation oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = relation AND t.tgname = 'zz_soft_delete_row')
$fn$;
COMMENT ON FUNCTION lifecycle._has_soft_delete(oid) IS 'Whether the rows of a table can be marked as deleted.';

CREATE FUNCTION lifecycle._soft_delete_columns(
    target regclass, OUT deleted_at name, OUT deleted_at_type text, OUT deletion_id name
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    SELECT max(a.attname) FILTER (WHERE a.atttypid <> 'bigint'::regtype),
        max(format_type(a.atttypid, a.atttypmod)) FILTER (WHERE a.atttypid <> 'bigint'::regtype),
        max(a.attname) FILTER (WHERE a.atttypid = 'bigint'::regtype)
    INTO deleted_at, deleted_at_type, deletion_id
    FROM pg_trigger AS t
    JOIN pg_depend AS d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid = t.tgrelid AND d.refobjsubid > 0
    JOIN pg_attribute AS a ON a.attrelid = t.tgrelid AND a.attnum = d.refobjsubid
    WHERE t.tgrelid = target AND t.tgname = 'zz_soft_delete_row' AND NOT t.tgisinternal;
    IF deleted_at IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('soft delete is not enabled on %s', target),
            HINT = coalesce((
                SELECT CASE WHEN t.oid IS NULL THEN 'Name a table, not a view.'
                    ELSE format('That is a view. Name its table: %s.', d.refobjid::regclass) END
                FROM pg_class AS c
                JOIN pg_rewrite AS r ON r.ev_class = c.oid
                JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                    AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
                LEFT JOIN pg_trigger AS t ON t.tgrelid = d.refobjid AND t.tgname = 'zz_soft_delete_row'
                WHERE c.oid = target AND c.relkind IN ('v', 'm')
                ORDER BY t.oid NULLS LAST
                LIMIT 1
            ), format('SELECT * FROM lifecycle.enable_soft_delete(%L)', target));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_columns(regclass) IS
'The columns of a soft-deleted table that hold when and by which deletion; raises 55000 when soft delete is not
enabled.';
