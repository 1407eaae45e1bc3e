-- A policy's subquery names its table ("orders.id"); the copy must name the partition instead. By tokens, so that a
-- string, a schema or an alias of the same spelling stays as it is.
CREATE FUNCTION lifecycle._requalify(expression text, relation regclass, new_name text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH token AS (
        SELECT t.found[1] AS word, t.place
        FROM regexp_matches(expression, '''(?:[^'']|'''')*''|"(?:[^"]|"")*"|[[:alpha:]_][\w$]*|.', 'g')
            WITH ORDINALITY AS t (found, place)
    ), seen AS (
        SELECT t.*, lag(t.word) OVER w AS before, lead(t.word) OVER w AS after, lead(t.word, 2) OVER w AS member,
            lead(t.word, 3) OVER w AS beyond
        FROM token AS t
        WINDOW w AS (ORDER BY t.place)
    )
    SELECT string_agg(
        CASE
            WHEN s.word = quote_ident(c.relname) AND s.after = '.' AND s.before IS DISTINCT FROM '.'
                AND s.beyond IS DISTINCT FROM '('
                AND (s.member = '*' OR EXISTS (
                    SELECT FROM pg_attribute AS a
                    WHERE a.attrelid = relation AND quote_ident(a.attname) = s.member AND NOT a.attisdropped))
            THEN new_name ELSE s.word
        END, '' ORDER BY s.place)
    FROM seen AS s, pg_class AS c
    WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._requalify(text, regclass, text) IS
'An expression of one table, with the references to that table by name replaced by those to another.';

CREATE FUNCTION lifecycle._copy_policy(policy oid, partition text) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('create policy', format('policy %I on %s', p.polname, partition),
        format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', p.polname, partition,
            CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                ELSE 'ALL' END,
            (SELECT string_agg(CASE r.role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r.role)) END, ', ')
             FROM unnest(p.polroles) AS r (role)))
        || coalesce(' USING ('
            || lifecycle._requalify(pg_get_expr(p.polqual, p.polrelid), p.polrelid, n.name) || ')', '')
        || coalesce(' WITH CHECK ('
            || lifecycle._requalify(pg_get_expr(p.polwithcheck, p.polrelid), p.polrelid, n.name) || ')', ''))
    FROM pg_policy AS p
    CROSS JOIN LATERAL (SELECT quote_ident((parse_ident(partition))[2]) AS name) AS n
    WHERE p.oid = policy
$fn$;
COMMENT ON FUNCTION lifecycle._copy_policy(oid, text) IS 'The step that gives a partition a policy of its parent.';
