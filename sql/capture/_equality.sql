-- The equality that a unique index on a column of this type goes by, written out: under the pinned path a plain "="
-- could be another one (citext would be compared as text). Asked in every refresh: so in steps, each of them with a
-- plan that is kept and an index that answers it.
CREATE FUNCTION lifecycle._default_opclass(type_oid oid) RETURNS pg_opclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    v_btree constant oid := 403;
    v_class pg_opclass;
    v_kind "char";
BEGIN
    SELECT c.* INTO v_class FROM pg_opclass AS c
    WHERE c.opcmethod = v_btree AND c.opcdefault AND c.opcintype = type_oid;
    IF NOT FOUND THEN
        SELECT t.typtype INTO v_kind FROM pg_type AS t WHERE t.oid = type_oid;
        SELECT c.* INTO v_class FROM pg_opclass AS c JOIN pg_type AS i ON i.oid = c.opcintype
        WHERE c.opcmethod = v_btree AND c.opcdefault AND (
            c.opcintype = CASE v_kind
                WHEN 'e' THEN 'anyenum'::regtype WHEN 'r' THEN 'anyrange'::regtype
                WHEN 'm' THEN 'anymultirange'::regtype WHEN 'c' THEN 'record'::regtype
            END
            OR EXISTS (SELECT FROM pg_cast AS k WHERE k.castsource = type_oid AND k.casttarget = c.opcintype
                AND k.castmethod = 'b' AND k.castcontext = 'i')
        )
        ORDER BY i.typispreferred DESC
        LIMIT 1;
    END IF;
    RETURN v_class;
END
$fn$;
COMMENT ON FUNCTION lifecycle._default_opclass(oid) IS
'The default btree operator class that takes values of a type, which is no domain.';

CREATE FUNCTION lifecycle._equality(type_oid oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    v_type oid := type_oid;
    v_next oid;
    v_class pg_opclass;
BEGIN
    LOOP
        SELECT t.typbasetype INTO v_next FROM pg_type AS t WHERE t.oid = v_type AND t.typtype = 'd';
        EXIT WHEN NOT FOUND;
        v_type := v_next;
    END LOOP;
    v_class := lifecycle._default_opclass(v_type);
    RETURN (
        SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
        FROM pg_amop AS a
        JOIN pg_operator AS o ON o.oid = a.amopopr
        JOIN pg_namespace AS n ON n.oid = o.oprnamespace
        WHERE a.amopfamily = v_class.opcfamily AND a.amoplefttype = v_class.opcintype
            AND a.amoprighttype = v_class.opcintype AND a.amopstrategy = 3
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._equality(oid) IS
'The equality operator of the default btree operator class of a type, as OPERATOR(schema.=); NULL when there is none.';
