-- A stored statement under today's names. Whoever owns an object chooses its new name, so a name may only ever replace
-- a name: the statement is taken apart as the parser would, and a quoted name stays one token. In a string only a whole
-- name is replaced; the body of a function or of DO is a statement of its own; comments stay as they are.
CREATE FUNCTION lifecycle._rename_name(name_path text, following text, renames jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- "s.t" is the beginning of a path, a lone name (column, trigger) stands alone or at the end of "s.t.c"; a function
    -- comes with its arguments.
    WITH part AS (
        SELECT m[1] AS word, place
        FROM regexp_matches(name_path, '"(?:[^"]|"")*"|[^."]+', 'g') WITH ORDINALITY AS w (m, place)
    ), path AS (
        SELECT array_agg(CASE
            WHEN word LIKE '"%' THEN quote_ident(replace(substr(word, 2, length(word) - 2), '""', '"'))
            ELSE lower(word) END ORDER BY place) AS words
        FROM part
    ), known AS (
        SELECT ARRAY(SELECT w[1] FROM regexp_matches(k.old[1], '"(?:[^"]|"")*"|[^."]+', 'g') AS w) AS old_words,
            k.old[2] AS arguments, regexp_replace(r.value, '^((?:"(?:[^"]|"")*"|[^"(])+).*$', '\1') AS new_name
        FROM jsonb_each_text(renames) AS r
        CROSS JOIN LATERAL regexp_match(r.key, '^((?:"(?:[^"]|"")*"|[^"(])+)(.*)$') AS k (old)
    )
    SELECT coalesce((
        SELECT CASE WHEN cardinality(k.old_words) > 1
            THEN array_to_string(k.new_name || p.words[cardinality(k.old_words) + 1:], '.')
            ELSE array_to_string(p.words[:cardinality(p.words) - 1] || k.new_name, '.') END
        FROM path AS p
        JOIN known AS k ON starts_with(following, k.arguments) AND CASE
            WHEN cardinality(k.old_words) > 1 THEN p.words[:cardinality(k.old_words)] = k.old_words
            ELSE cardinality(p.words) IN (1, 3) AND p.words[cardinality(p.words)] = k.old_words[1] END
        ORDER BY cardinality(k.old_words) DESC, length(k.arguments) DESC
        LIMIT 1
    ), name_path)
$fn$;
COMMENT ON FUNCTION lifecycle._rename_name(text, text, jsonb) IS
'What a name, followed by this text, is called today.';

CREATE FUNCTION lifecycle._rename_in(statement text, renames jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    -- Like the lexer, locale or not: every character beyond ASCII is a letter.
    v_word constant text := '(?:"(?:[^"]|"")*"|[^\x01-@[-^`{-\x7f][^\x01-#%-/:-@[-^`{-\x7f]*)';
    v_rest text := statement;
    v_result text := '';
    v_token text;
    v_new text;
BEGIN
    WHILE renames <> '{}' AND v_rest <> '' LOOP
        -- Strings with escapes, and comments.
        v_token := substring(v_rest FROM
            '^(?:[eE]''(?:[^''\\]|\\.|'''')*''|[uU]&(?:''(?:[^'']|'''')*''|"(?:[^"]|"")*")|--[^\n]*'
            || '|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)');
        v_new := v_token;
        IF v_token IS NULL AND v_rest LIKE '''%' THEN
            v_token := substring(v_rest FROM '^''(?:[^'']|'''')*''');
            v_new := quote_literal(renames ->> replace(substr(v_token, 2, length(v_token) - 2), '''''', ''''));
        ELSIF v_rest ~ '^\$(?:[^\x01-@[-^`{-\x7f][^\x01-/:-@[-^`{-\x7f]*)?\$' THEN
            v_token := substring(v_rest FROM '^\$[^$]*\$');
            v_token := left(v_rest,
                nullif(strpos(substr(v_rest, length(v_token) + 1), v_token), 0) + 2 * length(v_token) - 1);
            v_new := lifecycle._rename_body(v_token, renames);
        ELSIF v_token IS NULL THEN
            v_token := substring(v_rest FROM '^' || v_word || '(?:\.' || v_word || ')*');
            v_new := lifecycle._rename_name(v_token, substr(v_rest, length(v_token) + 1), renames);
        END IF;
        -- Something unfinished, or a comment in a comment: from here on nothing is replaced.
        EXIT WHEN v_token IS NULL AND v_rest ~ '^(''|"|\$[^0-9]|/\*)';
        v_token := coalesce(v_token, left(v_rest, 1));
        v_result := v_result || coalesce(v_new, v_token);
        v_rest := substr(v_rest, length(v_token) + 1);
    END LOOP;
    RETURN v_result || v_rest;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rename_in(text, jsonb) IS
'A statement with names replaced: renames maps the old name to the new one.';

CREATE FUNCTION lifecycle._rename_body(body text, renames jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_tag constant text := substring(body FROM '^\$[^$]*\$');
    v_new constant text := lifecycle._rename_in(
        substr(body, length(v_tag) + 1, length(body) - 2 * length(v_tag)), renames
    ) || v_tag;
BEGIN
    -- A name that holds the tag would end the string.
    RETURN CASE WHEN strpos(v_new, v_tag) = length(v_new) - length(v_tag) + 1 THEN v_tag || v_new ELSE body END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rename_body(text, jsonb) IS 'A dollar-quoted string with names replaced in it.';
