"""Random inserts, deletions, restores and purges on tables with a tree, a diamond and SET NULL, against a model."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from harness.calls import call, rows

pytestmark = pytest.mark.long

# table -> its foreign keys: (column, table it refers to, what ON DELETE does)
KEYS = {
    "shop": [],
    "item": [("up", "item", "CASCADE"), ("shop", "shop", "CASCADE")],
    "tag": [("shop", "shop", "CASCADE"), ("item", "item", "CASCADE"), ("fan", "item", "SET NULL")],
    "bill": [("shop", "shop", "NO ACTION"), ("item", "item", "NO ACTION")],
}
WAYS = (
    "UPDATE {t} SET deleted_at = now() WHERE id = ANY ('{ids}') AND deleted_at IS NULL",
    "DELETE FROM active_{t} WHERE id = ANY ('{ids}')",
    "SELECT lifecycle.soft_delete_many('{t}', '{ids}'::int[])",
    "SELECT lifecycle.soft_delete_where('{t}', 'id = ANY (''{ids}'')')",
)
SCHEMA = "".join(
    f"CREATE TABLE public.{table} (id int PRIMARY KEY"
    + "".join(f", {column} int REFERENCES {parent} ON DELETE {action}" for column, parent, action in keys)
    + "); "
    for table, keys in KEYS.items()
)


IDS = st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True)
TABLES = st.sampled_from(sorted(KEYS))


class RefusedError(Exception):
    """A foreign key forbids it."""


class Model:
    """What the tables should hold: rows by (table, id), each {column: value, "number": of its deletion or None}."""

    def __init__(self):
        self.rows = {}
        self.cleared = []  # (number, row, column, old value)

    def copy(self):
        other = Model()
        other.rows = {key: dict(row) for key, row in self.rows.items()}
        other.cleared = list(self.cleared)
        return other

    def children(self, table, key):
        """(row, column, action) of the rows that refer to one."""
        for (child, number), row in self.rows.items():
            for column, parent, action in KEYS[child]:
                if parent == table and row[column] == key:
                    yield (child, number), column, action

    def delete(self, table, ids, number):
        """Marks rows and what goes with them; raises when one that stays live refers to one."""
        waiting = [(table, key) for key in ids if (table, key) in self.rows and not self.rows[table, key]["number"]]
        marked = []
        while waiting:
            name = waiting.pop()
            if self.rows[name]["number"]:
                continue
            self.rows[name]["number"] = number
            marked.append(name)
            waiting += [child for child, _, action in self.children(*name) if action == "CASCADE"]
        for name in marked:
            for child, column, action in list(self.children(*name)):
                row = self.rows[child]
                if row["number"] is None and action == "NO ACTION":
                    raise RefusedError
                if action == "SET NULL" and (row["number"] is None or row["number"] == number):
                    self.cleared.append((number, child, column, row[column]))
                    row[column] = None
        return len([name for name in marked if name[0] == table])

    def restore(self, table, ids):
        """Brings rows back, and of their deletions what went because of them."""
        waiting = [((table, key), self.rows[table, key]["number"]) for key in ids if self.rows[table, key]["number"]]
        back = []
        while waiting:
            name, number = waiting.pop()
            if self.rows[name]["number"] != number:
                continue
            self.rows[name]["number"] = None
            back.append((name, number))
            waiting += [(child, number) for child, _, action in self.children(*name) if action == "CASCADE"]
        for name, _ in back:
            for column, parent, _ in KEYS[name[0]]:
                value = self.rows[name][column]
                if value is not None and self.rows[parent, value]["number"]:
                    raise RefusedError
        for name, number in back:
            for entry in [c for c in self.cleared if c[0] == number and ("item", c[3]) == name]:
                self.cleared.remove(entry)
                if entry[1] in self.rows and self.rows[entry[1]][entry[2]] is None:
                    self.rows[entry[1]][entry[2]] = entry[3]


class Life(RuleBasedStateMachine):
    """Each example begins with a few rows in empty tables."""

    connection: psycopg.Connection

    @initialize()
    def begin(self):
        self.model = Model()
        self.next = 0
        self.connection.execute(f"TRUNCATE {', '.join(KEYS)}, lifecycle.deletion, lifecycle.deletion_change")
        for table in ("shop", "shop", "item", "item", "item", "tag", "tag", "bill"):
            self.insert(table, [1, 2, 3])

    def attempt(self, statement, change):
        """Both do it, or both refuse."""
        after = self.model.copy()
        try:
            change(after)
            allowed = True
        except RefusedError:
            allowed = False
        try:
            self.connection.execute(statement)
        except psycopg.errors.ForeignKeyViolation:
            assert not allowed, statement
        else:
            assert allowed, statement
            self.model = after

    @rule(table=TABLES, refers=st.lists(st.one_of(st.none(), st.integers(1, 9)), min_size=3, max_size=3))
    def insert(self, table, refers):
        used = [key for name, key in self.model.rows if name == table]
        key = next((k for k in range(1, 10) if k not in used), None)
        if key is None:
            return
        row = {"number": None}
        for (column, parent, _), value in zip(KEYS[table], refers, strict=False):
            name = (parent, value)
            known = name in self.model.rows and self.model.rows[name]["number"] is None
            row[column] = value if known else None
        columns = [column for column, _, _ in KEYS[table]]
        self.connection.execute(
            f"INSERT INTO {table} (id{''.join(', ' + c for c in columns)}) VALUES (%s{', %s' * len(columns)})",
            [key, *(row[c] for c in columns)],
        )
        self.model.rows[table, key] = row

    @rule(table=TABLES, ids=IDS, way=st.sampled_from(WAYS))
    def delete(self, table, ids, way):
        self.next += 1
        number = self.next
        array = "{" + ",".join(map(str, ids)) + "}"
        self.attempt(way.format(t=table, ids=array), lambda m: m.delete(table, ids, number))

    @rule(table=TABLES, ids=IDS)
    def restore(self, table, ids):
        known = [key for key in ids if (table, key) in self.model.rows]
        array = "{" + ",".join(map(str, known)) + "}"
        self.attempt(
            f"UPDATE {table} SET deleted_at = NULL WHERE id = ANY ('{array}')", lambda m: m.restore(table, known)
        )

    @rule(table=TABLES, key=st.integers(1, 9))
    def restore_deletion(self, table, key):
        row = self.model.rows.get((table, key))
        if row is None or row["number"] is None:
            return
        number = row["number"]
        root = rows(
            self.connection,
            f"SELECT d.table_name, d.deletion_id FROM {table} JOIN lifecycle.deletion d USING (deletion_id) "
            "WHERE id = %s",
            [key],
        )[0]

        def change(model):
            model.restore(root[0], [k for (t, k), r in model.rows.items() if t == root[0] and r["number"] == number])
            for other in sorted(KEYS):
                model.restore(other, [k for (t, k), r in model.rows.items() if t == other and r["number"] == number])

        self.attempt(f"SELECT lifecycle.restore({root[1]})", change)

    @rule(table=TABLES)
    def purge(self, table):
        answer = {}
        while answer != {"purged": 0, "records": 0}:
            statement = f"SELECT lifecycle.purge_deleted_step('{table}', '0', 2)"
            answer = rows(self.connection, statement)[0][0]
        left = {(t, key) for t in KEYS for (key,) in rows(self.connection, f"SELECT id FROM {t}")}
        for name in [n for n in self.model.rows if n not in left]:
            assert self.model.rows[name]["number"], "only what was deleted"
            assert not any(self.model.rows[child]["number"] is None for child, _, _ in self.model.children(*name)), (
                "nothing live refers to it"
            )
        self.adopt_purge()
        holds = " AND ".join(f"NOT EXISTS (SELECT FROM {t} WHERE deletion_id = d.deletion_id)" for t in KEYS)
        orphans = f"SELECT count(*) FROM lifecycle.deletion AS d WHERE d.table_name = '{table}' AND {holds}"
        assert rows(self.connection, orphans) == [(0,)], "records go with their last row"

    def adopt_purge(self):
        """A purge takes along what is deleted by a foreign key; only deleted rows, as was looked at above."""
        for name in list(self.model.rows):
            if not rows(self.connection, f"SELECT 1 FROM {name[0]} WHERE id = %s", [name[1]]):
                assert self.model.rows[name]["number"]
                del self.model.rows[name]
        for (table, _), row in self.model.rows.items():
            for column, parent, action in KEYS[table]:
                if action == "SET NULL" and (parent, row[column]) not in self.model.rows:
                    row[column] = None

    @invariant()
    def equal(self):
        for table, keys in KEYS.items():
            columns = ["id", *(column for column, _, _ in keys)]
            found = rows(self.connection, f"SELECT {', '.join(columns)}, deletion_id FROM {table} ORDER BY id")
            expected = sorted((k, r) for (t, k), r in self.model.rows.items() if t == table)
            assert [row[:-1] for row in found] == [(k, *(r[c] for c in columns[1:])) for k, r in expected]
            assert [row[-1] is None for row in found] == [r["number"] is None for _, r in expected]
        numbers = {}
        for table in KEYS:
            for key, number in rows(
                self.connection, f"SELECT id, deletion_id FROM {table} WHERE deletion_id IS NOT NULL"
            ):
                assert number > 0
                assert (
                    numbers.setdefault(number, self.model.rows[table, key]["number"])
                    == (self.model.rows[table, key]["number"])
                )


def test_life(database):
    database.execute(SCHEMA)
    for table in KEYS:
        call(database, "enable_soft_delete", target=table)
    Life.connection = database.connect()
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
