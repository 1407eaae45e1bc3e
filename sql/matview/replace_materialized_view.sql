CREATE FUNCTION lifecycle.replace_materialized_view(
    target regclass,
    query text,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_path constant text := replace_materialized_view.search_path;
    v_planned record;
BEGIN
    PERFORM lifecycle._require_table(target, '{m}');
    PERFORM lifecycle._require_owner(target);
    IF NOT dry_run THEN
        PERFORM lifecycle._require_read_committed();
        PERFORM lifecycle._lock_target(target);
    END IF;
    SELECT p.plan, p.parameters INTO v_planned FROM lifecycle._plan_replacement(target, query, v_path) AS p;
    RETURN QUERY SELECT * FROM lifecycle._apply('materialized_view', target, v_planned.plan, dry_run, expected_plan,
        coalesce(v_planned.parameters, '{}'), v_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.replace_materialized_view(regclass, text, boolean, text, text) IS
'Gives a materialized view another query. The new one is built and filled beside the old one, which is read meanwhile,
and takes its place under a short lock, in one transaction. Kept: owner, grants, comments, indexes, extended statistics,
statistics targets, storage, options, tablespace, and the views that read it, with all of theirs; materialized views
among these are filled again under the lock.

Arguments: target - the materialized view; query - the new SELECT: it may have more columns, and must have those that
views, indexes and statistics read, with their types where views do; dry_run - only show the plan; expected_plan -
plan_hash of the reviewed dry run; search_path - for the names in query, by default the caller''s path.
Returns: one row a step (lifecycle.step_result).
Errors: 42809 not a materialized view; 2BP01 something reads a column that is gone or of another type, or cannot be made
anew (functions, policies, tables of its row type); 42P17 the query reads the view itself; 42501 not the owner of the
view, or of one that reads it; 23505 a unique index does not fit the new rows; 55000 a view or a grant has changed while
it was built; 55P03 lock; 25000 not READ COMMITTED; what CREATE VIEW and the query raise.
Example: SELECT * FROM lifecycle.replace_materialized_view(''public.shop_total'',
    ''SELECT shop, sum(amount) AS total, count(*) AS sales FROM public.sale GROUP BY shop'', dry_run => true);';
