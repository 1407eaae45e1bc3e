-- Last of all: nobody may run anything until somebody grants it (lifecycle.grant_lifecycle_admin, grant_lifecycle_use).
-- ROUTINES, since FUNCTIONS would leave the procedures to PUBLIC.
REVOKE ALL ON ALL ROUTINES IN SCHEMA lifecycle FROM PUBLIC;
