-- With the operators that the foreign key itself uses.
CREATE FUNCTION lifecycle._foreign_key_where(foreign_key oid, child text, parent text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(format('%s.%I OPERATOR(%I.%s) %s.%I', parent, p.attname, n.nspname, o.oprname, child, c.attname),
        ' AND ' ORDER BY x.place)
    FROM pg_constraint AS k
    CROSS JOIN LATERAL unnest(k.conkey, k.confkey, k.conpfeqop) WITH ORDINALITY
        AS x (child_number, parent_number, operator, place)
    JOIN pg_attribute AS c ON c.attrelid = k.conrelid AND c.attnum = x.child_number
    JOIN pg_attribute AS p ON p.attrelid = k.confrelid AND p.attnum = x.parent_number
    JOIN pg_operator AS o ON o.oid = x.operator
    JOIN pg_namespace AS n ON n.oid = o.oprnamespace
    WHERE k.oid = foreign_key
$fn$;
COMMENT ON FUNCTION lifecycle._foreign_key_where(oid, text, text) IS
'The condition that a row refers to another by a foreign key, for two row aliases.';

CREATE FUNCTION lifecycle._live_where(target regclass, alias text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF lifecycle._has_soft_delete(target) THEN
        RETURN format('%I.%I IS NULL', alias, (lifecycle._soft_delete_columns(target)).deleted_at);
    END IF;
    RETURN 'true';
END
$fn$;
COMMENT ON FUNCTION lifecycle._live_where(regclass, text) IS
'The condition that a row of any table is live; true where rows cannot be marked.';
