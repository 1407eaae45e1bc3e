-- The same trigger on another table. Behind the name of the trigger, the table is named first.
CREATE FUNCTION lifecycle._copy_trigger(trigger oid, partition text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT left(d.definition, d.after_name) || overlay(d.rest PLACING ' ON ' || partition
            FROM strpos(d.rest, d.place) FOR length(d.place))
        || CASE WHEN d.tgenabled = 'O' THEN '' ELSE '; '
            || lifecycle._ddl_firing(partition, 'TRIGGER', d.tgname, d.tgenabled) END
    FROM (
        SELECT t.tgname, t.tgenabled, g.definition, n.after_name, ' ON ' || t.tgrelid::regclass AS place,
            substr(g.definition, n.after_name + 1) AS rest
        FROM pg_trigger AS t
        CROSS JOIN LATERAL (SELECT pg_get_triggerdef(t.oid) AS definition) AS g
        CROSS JOIN LATERAL (
            SELECT strpos(g.definition, 'TRIGGER ' || quote_ident(t.tgname)) + 7 + length(quote_ident(t.tgname))
                AS after_name
        ) AS n
        WHERE t.oid = _copy_trigger.trigger
    ) AS d
$fn$;
COMMENT ON FUNCTION lifecycle._copy_trigger(oid, text) IS
'Statements that give a partition a trigger of its sibling, in the same state.';

CREATE FUNCTION lifecycle._publish(member oid, partition text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('ALTER PUBLICATION %I ADD TABLE %s', p.pubname, partition)
        || coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)
            FROM pg_attribute AS a WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)) || ')', '')
        || coalesce(' WHERE (' || pg_get_expr(r.prqual, r.prrelid) || ')', '')
    FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
    WHERE r.oid = member
$fn$;
COMMENT ON FUNCTION lifecycle._publish(oid, text) IS
'The statement that publishes a partition as its sibling is: the same columns and rows.';
