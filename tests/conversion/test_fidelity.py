"""What a table has is kept, or told beforehand; nothing is lost in silence, and a rollback brings all of it back."""

from __future__ import annotations

import psycopg
import pytest

from harness.calls import call, rows
from harness.fingerprint import table_facts
from harness.nasty_tables import ICU, SHARED, TABLES, made

pytestmark = pytest.mark.long

GROUPS = 4


@pytest.fixture
def world(database, roles):
    """The schema that the tables share, two roles and a tablespace."""
    words = {"reader": roles("reader"), "owner": roles("owner"), "space": "nasty_space"}
    database.execute("SET allow_in_place_tablespaces = on")
    if not database.execute("SELECT 1 FROM pg_tablespace WHERE spcname = %s", [words["space"]]):
        database.execute(f"CREATE TABLESPACE {words['space']} LOCATION ''")
    icu = database.value("SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')")
    database.execute(SHARED if icu else SHARED.replace(ICU, 'FROM "C"'))
    return database, words


def test_the_list_is_long_enough():
    assert len(TABLES) >= 40


def contents(database, name):
    """The rows, however they are stored."""
    return sorted(str(row) for row in database.execute(f"SELECT t.* FROM f.{name} AS t"))


def convert(database, name, nasty):
    """Up to the swap."""
    arguments = {"key_mode": nasty.keys, "foreign_key_mode": nasty.foreign}
    given = ", ".join(f"{key} => '{value}'" for key, value in arguments.items())
    rows(database, f"SELECT * FROM lifecycle.start_conversion('f.{name}', {nasty.levels}, {given})")
    database.execute(f"CALL lifecycle.convert_data('f.{name}')")
    errors = [
        f
        for f in rows(database, "SELECT * FROM lifecycle.post_migration_validation(%s)", [f"f.{name}"])
        if f[0] == "error"
    ]
    assert errors == [], name
    database.execute(f"CALL lifecycle.swap_tables('f.{name}')")
    database.execute(f"CALL lifecycle.convert_data('f.{name}')")  # validates the foreign keys


class Case:
    """One nasty table on its way there and back."""

    def __init__(self, database, name, nasty, words) -> None:
        self.database, self.name, self.nasty = database, name, nasty
        self.kept = self.reported = 0
        self.refused = False
        self.problems: list[str] = []
        database.execute(made(name, nasty, **words))
        self.before, self.dump = self.facts(), database.dump(schema_only=True)

    def run(self) -> None:
        """Converts, compares, writes, rolls back, compares."""
        query = f"SELECT * FROM lifecycle.pre_migration_check('f.{self.name}', {self.nasty.levels}, %s, %s)"
        findings = rows(self.database, query, [self.nasty.keys, self.nasty.foreign])
        data = contents(self.database, self.name)
        errors = [finding for finding in findings if finding[0] == "error"]
        try:
            convert(self.database, self.name, self.nasty)
        except psycopg.Error as error:
            self.refused = error.sqlstate == "0A000" and bool(errors)
            if not self.refused:
                self.problems.append(f"{self.name}: {error.sqlstate} {error}")
                return
            self.same("refused", data)
            return
        if errors:
            self.problems.append(f"{self.name}: converted in spite of {errors}")
        self.compare({name for severity, name, *_ in findings if severity == "warning"})
        if contents(self.database, self.name) != data:
            self.problems.append(f"{self.name}: other rows after the swap")
        self.database.execute(f"INSERT INTO f.{self.name} {self.nasty.insert}")
        data = contents(self.database, self.name)
        call(self.database, "rollback_conversion", target=f"f.{self.name}", dry_run=False)
        self.database.execute("CALL lifecycle.run_pending()")  # validates the foreign keys
        self.same("rollback", data)

    def facts(self):
        return table_facts(self.database, "f")

    def compare(self, reported):
        """Every fact that is no longer true was reported."""
        after = self.facts()
        for kind, name, definition in sorted(self.before - after):
            if name in reported:
                self.reported += 1
            else:
                now = [d for k, n, d in after if (k, n) == (kind, name)]
                self.problems.append(f"{self.name}: lost {kind} of {name}: {definition}; now {now}")
        self.kept += len(self.before & after)

    def same(self, what, data):
        """All is as it was."""
        now = self.facts()
        for kind, name, definition in sorted(self.before ^ now):
            here = "before" if (kind, name, definition) in self.before else "now"
            self.problems.append(f"{self.name}: {what}: {here} {kind} of {name}: {definition}")
        if contents(self.database, self.name) != data:
            self.problems.append(f"{self.name}: {what}: other rows")
        if self.database.dump(schema_only=True) != self.dump:
            self.problems.append(f"{self.name}: {what}: another dump")


@pytest.mark.parametrize("group", range(GROUPS))
def test_kept_or_reported(world, group):
    database, words = world
    major = database.server.major
    cases = []
    for name in sorted(TABLES)[group::GROUPS]:
        nasty = TABLES[name]
        if nasty.major <= major:
            case = Case(database, name, nasty, words)
            case.run()
            cases.append(case)
            # The next one begins with what is left of this one out of the way.
            database.execute(f"DROP TABLE f.{name} CASCADE; DROP TABLE IF EXISTS f.{name}_c CASCADE")
    kept, reported = (sum(case.kept for case in cases), sum(case.reported for case in cases))
    refused = [case.name for case in cases if case.refused]
    print(f"{len(cases)} tables: {kept} facts kept, {reported} reported, 0 lost; refused beforehand: {refused}")
    problems = [problem for case in cases for problem in case.problems]
    assert not problems, "\n".join(problems)
    assert {case.name for case in cases if case.nasty.refused} <= set(refused)
