-- What has been renamed since it was journaled, as pairs for _rename_in: relations by their whole name, columns,
-- triggers, constraints and policies by their own. Asked for each migration by itself: another one may have met another
-- table under the same name.
CREATE FUNCTION lifecycle._relation_renames(migration_id bigint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH known AS (
        SELECT m.target AS old_name, m.target_oid AS relation FROM lifecycle.migration AS m
        WHERE m.migration_id = _relation_renames.migration_id AND m.target_oid IS NOT NULL
            AND m.origin = lifecycle._origin()
        UNION
        SELECT regexp_replace(s.object, '^(materialized view|foreign table|[a-z]+) ', ''), (s.address).object_id
        FROM lifecycle.migration_step AS s
        JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id AND m.origin = lifecycle._origin()
        WHERE s.migration_id = _relation_renames.migration_id
            AND (s.address).class_id = 'pg_class'::regclass AND (s.address).sub_id = 0
    )
    SELECT coalesce(jsonb_object_agg(n.old_name, n.relation::regclass::text), '{}')
    FROM (
        -- A name that has stood for two relations is nobody's.
        SELECT k.old_name, min(k.relation) AS relation FROM known AS k
        GROUP BY k.old_name HAVING count(DISTINCT k.relation) = 1
    ) AS n
    JOIN pg_class AS c ON c.oid = n.relation
    WHERE n.old_name <> n.relation::regclass::text
$fn$;
COMMENT ON FUNCTION lifecycle._relation_renames(bigint) IS
'The relations of this migration that have another name today: old name to new name.';

CREATE FUNCTION lifecycle._own_rename(
    object text, address lifecycle.object_address, relation_renames jsonb
) RETURNS jsonb LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_identity text := lifecycle._identity(address);
    v_object text := lifecycle._rename_in(object, relation_renames);
    v_old text[];
    v_new text[];
BEGIN
    IF v_identity IS NULL OR v_identity = v_object THEN
        RETURN '{}';
    END IF;
    IF v_object LIKE 'column %' THEN
        v_old := parse_ident(substr(v_object, 8));
        v_new := parse_ident(substr(v_identity, 8));
        RETURN jsonb_build_object(quote_ident(v_old[3]), quote_ident(v_new[3]));
    END IF;
    -- "trigger a on s.t", "policy a on s.t", "table constraint a on s.t": the relation's part is equal by now.
    v_old := regexp_match(v_object, '^(trigger|policy|table constraint) ((?:[^"]|"(?:[^"]|"")*")+?) on (.*)$');
    v_new := regexp_match(v_identity, '^(trigger|policy|table constraint) ((?:[^"]|"(?:[^"]|"")*")+?) on (.*)$');
    IF v_old[1] = v_new[1] AND v_old[3] = v_new[3] THEN
        RETURN jsonb_build_object(v_old[2], v_new[2]);
    END IF;
    RETURN jsonb_build_object(
        regexp_replace(v_object, '^(materialized view|foreign table|[a-z]+) ', ''),
        regexp_replace(v_identity, '^(materialized view|foreign table|[a-z]+) ', '')
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._own_rename(text, lifecycle.object_address, jsonb) IS
'The rename of a journaled column, trigger, policy, constraint or function itself: old name to new name, or an empty
object.';
