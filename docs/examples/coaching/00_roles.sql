-- The three roles of the system.
-- Roles belong to the whole cluster, so their names are settings, and what exists is kept:
--     SET coaching.service_role = 'service_role';   -- as Supabase calls it
-- Run by somebody who may create roles; everything after this file runs as the owner, who is no superuser.
DO $do$
DECLARE
    v_role text;
BEGIN
    FOREACH v_role IN ARRAY ARRAY[
        -- owns the tables, and is the only one to run the other files
        coalesce(nullif(current_setting('coaching.owner_role', true), ''), 'coaching_owner'),
        -- signed-in people, coaches and users alike: request.jwt.claims says who it is (Supabase: authenticated)
        coalesce(nullif(current_setting('coaching.app_role', true), ''), 'coaching_app'),
        -- the back end and its scheduled jobs: reads and writes every row, owns nothing (Supabase: service_role)
        coalesce(nullif(current_setting('coaching.service_role', true), ''), 'coaching_service')
    ]
    LOOP
        IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles AS r WHERE r.rolname = v_role) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', v_role);
        END IF;
    END LOOP;
END
$do$;
