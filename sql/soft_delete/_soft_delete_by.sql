-- Who judges: where row-level security gives the role a policy for DELETE, that is the last word. Else it is the right
-- to UPDATE the row.
CREATE FUNCTION lifecycle._may_mark_by_update(target regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT NOT (has_table_privilege(target, 'DELETE') AND row_security_active(target) AND EXISTS (
        SELECT FROM pg_policy AS p CROSS JOIN LATERAL unnest(p.polroles) AS r (role)
        WHERE p.polrelid = target AND p.polpermissive AND p.polcmd IN ('d', '*')
            AND (r.role = 0 OR pg_has_role(r.role, 'USAGE'))
    ))
$fn$;
COMMENT ON FUNCTION lifecycle._may_mark_by_update(regclass) IS
'Whether the right to UPDATE a row decides who may mark it, since no right to DELETE is defined for the caller.';

-- As the view and the RPC do it, for any table.
CREATE FUNCTION lifecycle._soft_delete_by(target regclass, deleted_at name, condition text, path text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_may_update constant boolean := has_column_privilege(target, deleted_at::text, 'UPDATE');
    v_really bigint := 0;
    v_marked bigint := 0;
BEGIN
    PERFORM set_config('lifecycle.last_deletion', '', true), set_config('lifecycle.marked', '', true),
        set_config('lifecycle.last_cascade', '', true);
    IF NOT v_may_update OR has_table_privilege(target, 'DELETE') AND row_security_active(target) THEN
        PERFORM set_config('lifecycle.soft_delete', target::text, true);
        v_really := lifecycle._execute(format('DELETE FROM %s AS t WHERE %s', target, condition), path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        PERFORM set_config('lifecycle.soft_delete', '', true);
        v_marked := coalesce(nullif(current_setting('lifecycle.marked'), '')::bigint, 0);
    END IF;
    IF v_really > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('a row of %s would really have been deleted', target),
            DETAIL = 'The trigger aa_soft_delete of the table did not fire.',
            HINT = format('ALTER TABLE %s ENABLE ALWAYS TRIGGER aa_soft_delete', target);
    END IF;
    IF v_marked = 0 AND v_may_update AND lifecycle._may_mark_by_update(target) THEN
        v_marked := lifecycle._execute(format('UPDATE %s AS t SET %I = pg_catalog.now() WHERE (%s) AND t.%2$I IS NULL',
            target, deleted_at, condition), path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
    RETURN v_marked;
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_by(regclass, name, text, text) IS
'Marks the rows that meet a condition on alias t; returns their number.';

CREATE FUNCTION lifecycle._last_deletion(setting_name text, target regclass) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN substr(s.last, strpos(s.last, ' ') + 1) = target::text
        THEN substring(s.last FROM '^[0-9]+')::bigint END
    FROM (SELECT current_setting(setting_name, true) AS last) AS s
$fn$;
COMMENT ON FUNCTION lifecycle._last_deletion(text, regclass) IS
'The number of the deletion that the triggers of a table have left in a setting.';

CREATE FUNCTION lifecycle._last_cascade() RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(nullif(current_setting('lifecycle.last_cascade', true), ''), '{}')::jsonb
$fn$;
COMMENT ON FUNCTION lifecycle._last_cascade() IS
'The rows that the last soft delete or restore touched by foreign keys: {"table": rows, "table(columns)": rows}.';
