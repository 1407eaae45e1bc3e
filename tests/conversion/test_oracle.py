"""No write is lost, whatever dies when: writers in all isolation levels, a reference they write to as well, kills."""

from __future__ import annotations

import pytest

from harness.conversion_controls import convert
from harness.writers import DIFFERENCE, KINDS, setup, writing

pytestmark = pytest.mark.concurrency

ROWS = 3000


def test_writers_alone_make_no_difference(database):
    """The oracle itself: without a conversion there is nothing to find, and all kinds of writes happen."""
    database.execute(setup(ROWS))
    with writing(database.dsn(), seed=1, rows=ROWS) as crew:
        crew.work(400)
    assert database.value(DIFFERENCE) == 0
    assert set().union(*(w.kinds for w in crew.writers)) == {kind.__name__ for kind in KINDS}
    assert all(writer.done > 20 for writer in crew.writers)


@pytest.mark.parametrize("mirror", [True, False], ids=["mirror trigger", "no capture"])
def test_unsafe_designs_lose_writes(database, mirror):
    database.execute(setup(ROWS))
    connection = database.connect()
    with writing(database.dsn(), seed=2, rows=ROWS) as crew:
        convert(connection, crew, mirror=mirror)
        crew.work(50)
    assert database.value(DIFFERENCE) > 0
