"""The plain-SQL bundle on a server: installed, used, removed, and adopted into the extension."""

from collections.abc import Callable

from harness.databases import Database
from harness.fingerprint import fingerprint
from pg_lifecycle import bundle


def fill(database: Database, role: str) -> None:
    """Uses an installation: a setting, a migration in the journal, a grant."""
    database.execute("CREATE TABLE public.t (id integer PRIMARY KEY)")
    database.execute("SELECT lifecycle.set_setting('lock_attempts', '3')")
    database.execute(
        "SELECT * FROM lifecycle.apply_migration('m1', ARRAY['ALTER TABLE public.t ADD c text'],"
        " ARRAY['ALTER TABLE public.t DROP c'])"
    )
    database.execute(f"GRANT SELECT ON lifecycle.migration TO {role}")
    database.execute(f"GRANT INSERT (name) ON lifecycle.migration TO {role} WITH GRANT OPTION")


def rows(database: Database) -> list[object]:
    tables = ("migration", "migration_step", "setting_value")
    return [database.execute(f"TABLE lifecycle.{table}") for table in tables]


def grants(database: Database, role: str) -> list[str]:
    return sorted(line for line in database.dump().splitlines() if line.startswith("GRANT") and role in line)


def test_a_plain_install_works_and_can_be_removed(database: Database, roles: Callable[..., str]) -> None:
    plain = database.empty()
    before = plain.dump()
    plain.execute("SET plpgsql.extra_errors = 'all'")
    plain.execute(bundle.load().plain())
    fill(plain, roles("alice"))
    rolled = plain.execute("SELECT status FROM lifecycle.rollback_migration('m1', dry_run => false)")
    assert rolled
    plain.execute("DROP TABLE public.t")
    plain.execute("DROP SCHEMA lifecycle CASCADE")
    plain.execute("DROP SCHEMA IF EXISTS lifecycle_data CASCADE")
    assert plain.dump() == before


def test_adopting_a_plain_install_keeps_everything(database: Database, roles: Callable[..., str]) -> None:
    plain, role = database.empty(), roles("alice")
    plain.execute(bundle.load().plain())
    fill(plain, role)
    data, granted = rows(plain), grants(plain, role)
    assert len(granted) == 2

    plain.execute(bundle.load().adopt())

    assert rows(plain) == data
    # The grants are still there, and a dump of the extension still has them.
    assert grants(plain, role) == granted
    plain.execute(f"REVOKE ALL ON lifecycle.migration FROM {role}")
    plain.execute(f"REVOKE ALL (name) ON lifecycle.migration FROM {role}")
    assert fingerprint(plain) == fingerprint(database)
    plain.execute("DROP EXTENSION pg_lifecycle")
    assert plain.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'lifecycle'") == []


def test_the_fingerprint_sees_what_a_forgotten_member_would_change(database: Database) -> None:
    adopted = database.empty()
    adopted.execute(bundle.load().plain())
    script = bundle.load().adopt()
    adopted.execute(script)
    adopted.execute("ALTER EXTENSION pg_lifecycle DROP VIEW lifecycle.migration_history")
    assert fingerprint(adopted) != fingerprint(database)
