-- From the words of a plan to the catalog. Names are compared with what the catalog would print, never taken apart by
-- hand.
CREATE FUNCTION lifecycle._address(object text) RETURNS lifecycle.object_address
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_kind text;
    v_identity text;
    v_parts text[];
    v_address lifecycle.object_address;
BEGIN
    v_kind := (regexp_match(
        object, '^(table constraint|materialized view|foreign table|(?:table |view )?column|[a-z]+) '
    ))[1];
    v_identity := substr(object, length(v_kind) + 2);
    v_address.sub_id := 0;
    IF v_kind IN ('table', 'view', 'materialized view', 'foreign table', 'index', 'sequence') THEN
        v_address.class_id := 'pg_class'::regclass;
        v_address.object_id := to_regclass(v_identity)::oid;
    ELSIF v_kind IN ('column', 'table column', 'view column') THEN
        v_parts := parse_ident(v_identity);
        v_address.class_id := 'pg_class'::regclass;
        SELECT a.attrelid, a.attnum INTO v_address.object_id, v_address.sub_id
        FROM pg_attribute AS a
        WHERE a.attrelid = to_regclass(format('%I.%I', v_parts[1], v_parts[2])) AND a.attname = v_parts[3]
            AND a.attnum > 0;
    ELSIF v_kind IN ('function', 'procedure') THEN
        v_address.class_id := 'pg_proc'::regclass;
        v_address.object_id := to_regprocedure(v_identity)::oid;
    ELSIF v_kind = 'schema' THEN
        v_address.class_id := 'pg_namespace'::regclass;
        v_address.object_id := to_regnamespace(v_identity)::oid;
    ELSIF v_kind = 'type' THEN
        v_address.class_id := 'pg_type'::regclass;
        v_address.object_id := to_regtype(v_identity)::oid;
    ELSIF v_kind = 'trigger' THEN
        v_address.class_id := 'pg_trigger'::regclass;
        v_address.object_id := (SELECT t.oid FROM pg_trigger AS t
            WHERE NOT t.tgisinternal AND format('%I on %s', t.tgname, t.tgrelid::regclass) = v_identity);
    ELSIF v_kind = 'table constraint' THEN
        v_address.class_id := 'pg_constraint'::regclass;
        v_address.object_id := (SELECT c.oid FROM pg_constraint AS c
            WHERE c.conrelid <> 0 AND format('%I on %s', c.conname, c.conrelid::regclass) = v_identity);
    ELSIF v_kind = 'policy' THEN
        v_address.class_id := 'pg_policy'::regclass;
        v_address.object_id := (SELECT p.oid FROM pg_policy AS p
            WHERE format('%I on %s', p.polname, p.polrelid::regclass) = v_identity);
    END IF;
    RETURN CASE WHEN v_address.object_id IS NOT NULL AND v_address.sub_id IS NOT NULL THEN v_address END;
EXCEPTION
    -- What is no name names nothing: an administrator may write any words into his own steps, and they must not stop
    -- the others. Before PostgreSQL 16 a missing argument type is an error too.
    WHEN syntax_error OR invalid_name OR undefined_object OR undefined_table OR invalid_schema_name
        OR invalid_parameter_value OR invalid_text_representation OR feature_not_supported OR null_value_not_allowed
    THEN RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._address(text) IS
'The address of an object that a plan names, or NULL when there is none or when it is of a kind without an address
(grants).';
