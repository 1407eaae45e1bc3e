-- The equality that a unique index on a column of this type goes by, written out: under the pinned path a plain "="
-- could be another one (citext would be compared as text).
CREATE FUNCTION lifecycle._equality(type_oid oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        WITH RECURSIVE layer AS (
            SELECT t.oid, t.typtype, t.typcategory, t.typbasetype FROM pg_type AS t WHERE t.oid = type_oid
            UNION ALL
            SELECT t.oid, t.typtype, t.typcategory, t.typbasetype
            FROM layer AS l JOIN pg_type AS t ON t.oid = l.typbasetype
            WHERE l.typtype = 'd'
        )
        SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
        FROM layer AS l
        JOIN pg_opclass AS c ON c.opcdefault AND c.opcmethod = (SELECT a.oid FROM pg_am AS a WHERE a.amname = 'btree')
        JOIN pg_type AS i ON i.oid = c.opcintype
        JOIN pg_amop AS a ON a.amopfamily = c.opcfamily AND a.amopstrategy = 3 AND a.amoplefttype = c.opcintype
            AND a.amoprighttype = c.opcintype
        JOIN pg_operator AS o ON o.oid = a.amopopr
        JOIN pg_namespace AS n ON n.oid = o.oprnamespace
        WHERE l.typtype <> 'd' AND (
            c.opcintype = l.oid
            OR c.opcintype = CASE l.typtype
                WHEN 'e' THEN 'anyenum'::regtype WHEN 'r' THEN 'anyrange'::regtype
                WHEN 'm' THEN 'anymultirange'::regtype WHEN 'c' THEN 'record'::regtype
            END
            OR EXISTS (SELECT FROM pg_cast AS k WHERE k.castsource = l.oid AND k.casttarget = c.opcintype
                AND k.castmethod = 'b' AND k.castcontext = 'i')
        )
        ORDER BY c.opcintype = l.oid DESC, i.typispreferred DESC
        LIMIT 1
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._equality(oid) IS
'The equality operator of the default btree operator class of a type, as OPERATOR(schema.=); NULL when there is none.';
