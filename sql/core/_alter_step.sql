-- Properties of a table that a change sets: the inverse puts back what the catalog says now, and what stands already
-- is skipped.
CREATE FUNCTION lifecycle._replica_identity_step(target regclass, wanted text, stage integer DEFAULT 1)
RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('set replica identity', 'table ' || target,
        CASE WHEN wanted <> now.identity THEN format('ALTER TABLE %s REPLICA IDENTITY %s', target, wanted) END,
        format('ALTER TABLE %s REPLICA IDENTITY %s', target, now.identity), stage,
        note => CASE WHEN wanted = now.identity THEN 'is ' || wanted END)
    FROM (
        SELECT CASE c.relreplident
            WHEN 'd' THEN 'DEFAULT' WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
            -- When its index has been dropped, PostgreSQL acts as if it were NOTHING.
            ELSE coalesce('USING INDEX ' || quote_ident((SELECT x.relname
                FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid
                WHERE i.indrelid = c.oid AND i.indisreplident)), 'NOTHING')
        END AS identity
        FROM pg_class AS c WHERE c.oid = target
    ) AS now
$fn$;
COMMENT ON FUNCTION lifecycle._replica_identity_step(regclass, text, integer) IS
'The step that sets a replica identity (DEFAULT, FULL, NOTHING, USING INDEX x) and, undone, brings back the present
one.';

CREATE FUNCTION lifecycle._owner_step(object text, owner name, present_owner name, stage integer DEFAULT 1)
RETURNS lifecycle.plan_step LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('set owner', object,
        CASE WHEN owner <> present_owner THEN format('ALTER %s OWNER TO %I', object, owner) END,
        format('ALTER %s OWNER TO %I', object, present_owner), stage)
$fn$;
COMMENT ON FUNCTION lifecycle._owner_step(text, name, name, integer) IS
'The step that gives an object to another owner and, undone, back.';

CREATE FUNCTION lifecycle._comment_step(object text, description text, stage integer DEFAULT 1)
RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('set comment', object,
        CASE WHEN now.description IS DISTINCT FROM _comment_step.description
            THEN format('COMMENT ON %s IS %L', now.object, _comment_step.description) END,
        format('COMMENT ON %s IS %L', now.object, now.description), stage)
    FROM (
        SELECT regexp_replace(_comment_step.object, '^table constraint', 'constraint') AS object, (
            SELECT d.description FROM pg_description AS d
            WHERE (d.classoid, d.objoid, d.objsubid) = ((a.address).class_id, (a.address).object_id, (a.address).sub_id)
        ) AS description
        FROM (SELECT lifecycle._address(_comment_step.object) AS address) AS a
    ) AS now
$fn$;
COMMENT ON FUNCTION lifecycle._comment_step(text, text, integer) IS
'The step that sets a comment and, undone, brings back the present one.';

CREATE FUNCTION lifecycle._storage_step(target regclass, option_name text, wanted text, stage integer DEFAULT 1)
RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('set storage option', 'table ' || target,
        CASE WHEN now.value IS DISTINCT FROM wanted
            THEN format('ALTER TABLE %s SET (%s = %s)', target, option_name, wanted) END,
        CASE WHEN now.value IS NULL THEN format('ALTER TABLE %s RESET (%s)', target, option_name)
            ELSE format('ALTER TABLE %s SET (%s = %s)', target, option_name, now.value) END,
        stage)
    FROM (
        SELECT (SELECT o.option_value FROM pg_options_to_table(c.reloptions) AS o
            WHERE o.option_name = _storage_step.option_name) AS value
        FROM pg_class AS c WHERE c.oid = target
    ) AS now
$fn$;
COMMENT ON FUNCTION lifecycle._storage_step(regclass, text, text, integer) IS
'The step that sets a storage option of a table and, undone, brings back the present value.';
