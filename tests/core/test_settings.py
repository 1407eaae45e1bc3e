"""Settings: default, stored for the database, overridden by a session."""

from __future__ import annotations

from harness.calls import refused, rows


def value(place, name="lock_timeout"):
    return rows(place, "SELECT lifecycle.setting(%s)", [name])[0][0]


def test_default_stored_session(database):
    connection = database.connect()
    assert value(connection) == "500"
    assert database.value("SELECT lifecycle.set_setting('lock_timeout', '300')") == "300"
    assert value(connection) == "300"
    connection.execute("SET lifecycle.lock_timeout = '77'")
    assert value(connection) == "77"
    assert value(database) == "300"
    connection.execute("RESET lifecycle.lock_timeout")
    assert value(connection) == "300"
    assert database.value("SELECT lifecycle.set_setting('lock_timeout', NULL)") == "500"
    assert value(connection) == "500"


def test_unknown_setting(database):
    for statement in (
        "SELECT lifecycle.setting('nothing')",
        "SELECT lifecycle.set_setting('nothing', '1')",
        "SELECT lifecycle.setting(NULL)",
    ):
        with refused("42704", "lifecycle.settings"):
            database.execute(statement)


WRONG = [
    ("lock_timeout", "-1"),
    ("lock_timeout", "5s"),
    ("lock_timeout", ""),
    ("lock_timeout", "1e3"),
    ("lock_timeout", "99999999999"),
    ("top_level_runner", "pg_corn"),
    ("top_level_runner", "none | dblink"),
]


def test_bad_values(database):
    connection = database.connect()
    for name, wrong in WRONG:
        with refused("22023", name):
            rows(connection, "SELECT lifecycle.set_setting(%s, %s)", [name, wrong])
        rows(connection, f"SELECT set_config('lifecycle.{name}', %s, false)", [wrong])
        if wrong:
            with refused("22023", name):
                value(connection, name)


def test_zero_does_not_mean_for_ever(database):
    connection = database.connect()
    connection.execute("SET lifecycle.lock_timeout = '0'")
    assert rows(connection, "SELECT lifecycle._lock_wait()") == [("1ms",)]


def test_lock_wait_stays_below_deadlock_timeout(database):
    connection = database.connect()
    connection.execute("SET lifecycle.lock_timeout = '60000'; SET deadlock_timeout = '1s'")
    assert rows(connection, "SELECT lifecycle._lock_wait()") == [("500ms",)]
    connection.execute("SET lifecycle.lock_timeout = '20'")
    assert rows(connection, "SELECT lifecycle._lock_wait()") == [("20ms",)]


def test_every_setting_is_described(database):
    found = database.execute("SELECT name, value, default_value, unit, description FROM lifecycle.settings")
    assert len(found) >= 5
    for name, current, default, unit, description in found:
        assert current == default, name
        assert unit, name
        assert description.endswith("."), name


def test_settings_are_dumped(database):
    database.execute("SELECT lifecycle.set_setting('lock_attempts', '3')")
    copy = database.empty()
    database.server.restore(copy.name, database.server.dump(database.name))
    assert value(copy, "lock_attempts") == "3"
