"""Keys of types outside pg_catalog: rows are found by the operators of the type, not by those of the path."""

from __future__ import annotations

import pytest

from harness.calls import call, rows

SCENE = """
CREATE EXTENSION citext;
CREATE TABLE public.t (name citext PRIMARY KEY, at date NOT NULL, v int);
INSERT INTO public.t SELECT 'Name' || i, date '2024-01-01' + i, i FROM generate_series(1, 60) AS i;
"""


@pytest.mark.requires("citext")
def test_citext(database):
    database.execute(SCENE)
    rows(database, "SELECT * FROM lifecycle.start_conversion('t', lifecycle.by_range('at', '1 month'), 'extend')")
    database.execute("CALL lifecycle.convert_data('t', 20)")
    database.execute("UPDATE t SET v = -1, at = at + 20 WHERE name = 'NAME7'; UPDATE t SET name = 'nAME8' WHERE v = 8")
    database.execute("DELETE FROM t WHERE name = 'name9'")
    database.execute("CALL lifecycle.convert_data('t', 20)")
    found = rows(database, "SELECT DISTINCT severity FROM lifecycle.post_migration_validation('t')")
    assert found == [("ok",)]
    before = rows(database, "SELECT * FROM t ORDER BY v")
    database.execute("CALL lifecycle.swap_tables('t')")
    assert rows(database, "SELECT * FROM t ORDER BY v") == before
    database.execute("UPDATE t SET v = v + 1000, at = at + 31 WHERE name < 'NAME3'")
    before = rows(database, "SELECT * FROM t ORDER BY v")
    call(database, "rollback_conversion", target="t", dry_run=False)
    assert rows(database, "SELECT * FROM t ORDER BY v") == before
