"""Databases for tests: cloned from a template that holds the extension, dropped when the test is over."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from harness.dump import normalise
from pg_lifecycle.server import Server, fetched

Rows = list[tuple[Any, ...]]


class Database:
    """One database of a test."""

    def __init__(self, databases: Databases, name: str) -> None:
        self._databases = databases
        self._connections: list[psycopg.Connection] = []
        self._main: psycopg.Connection | None = None
        self.server = databases.server
        self.name = name
        self.notices: list[str] = []

    def dsn(self, user: str | None = None) -> str:
        """Connection string; without a user: as the superuser."""
        return self.server.dsn(self.name, user)

    def connect(self, user: str | None = None, autocommit: bool = True) -> psycopg.Connection:
        """A connection of its own, closed with the test."""
        connection = psycopg.connect(self.dsn(user), autocommit=autocommit)
        self._connections.append(connection)
        return connection

    def execute(self, statement: str, params: Sequence[object] | None = None) -> Rows:
        """Runs SQL as the superuser on one connection that is kept; returns the rows of the last statement.

        What the server said meanwhile (NOTICE, WARNING) is added to `notices`.
        """
        if self._main is None or self._main.closed:
            self._main = self.connect()
            self._main.add_notice_handler(lambda d: self.notices.append(f"{d.severity}: {d.message_primary}"))
        return run(self._main, statement, params)

    def value(self, statement: str, params: Sequence[object] | None = None) -> Any:
        """The only value of the only row."""
        ((value,),) = self.execute(statement, params)
        return value

    def dump(self, *args: str, schema_only: bool = False, sort_rows: bool = False) -> str:
        """The database as comparable SQL."""
        return normalise(self.server.dump(self.name, *args, *(["--schema-only"] if schema_only else [])), sort_rows)

    def empty(self) -> Database:
        """Another database, without the extension."""
        return self._databases.make(template="template0")

    def clone(self) -> Database:
        """A copy of this database as it stands; closes its connections."""
        self.close()
        return self._databases.make(template=self.name)

    def close(self) -> None:
        """Closes its connections."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()


class Databases:
    """Makes the databases of one test run, or of one worker of it, on one server."""

    def __init__(self, server: Server, prefix: str) -> None:
        self.server = server
        self.prefix = prefix
        self._numbers = itertools.count(1)
        self._made: list[Database] = []
        self._main = server.connect()

    def make_template(self, extension: str = "pg_lifecycle") -> str:
        """Makes the template that holds the extension; nobody may connect to it, so that it can always be copied."""
        name = self._name("template")
        self._admin("CREATE DATABASE {} TEMPLATE template0", name)
        with self.server.connect(name) as connection:
            connection.execute(sql.SQL("CREATE EXTENSION {}").format(sql.Identifier(extension)))
        self._admin("ALTER DATABASE {} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false", name)
        return name

    def drop_template(self, name: str) -> None:
        """Drops a template."""
        self._admin("ALTER DATABASE {} WITH IS_TEMPLATE false", name)
        self._admin("DROP DATABASE {}", name)

    def make(self, template: str) -> Database:
        """A copy of a template. Copying files is twice as fast as the WAL-logged way without fsync."""
        database = Database(self, self._name(str(next(self._numbers))))
        self._admin("CREATE DATABASE {} STRATEGY file_copy TEMPLATE {}", database.name, template)
        self._made.append(database)
        return database

    def drop_all(self) -> None:
        """Drops what `make` made."""
        for database in list(self._made):
            self.drop(database)

    def drop(self, database: Database) -> None:
        """Drops one of them."""
        database.close()
        self._admin("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name)
        self._made.remove(database)

    def close(self) -> None:
        """Drops all, closes the connection."""
        self.drop_all()
        self._main.close()

    def _name(self, suffix: str) -> str:
        return f"{self.prefix}_{suffix}"

    def _admin(self, statement: LiteralString, *names: str) -> None:
        if self._main.broken or self._main.closed:  # a test killed the server
            self._main = self.server.connect()
        self._main.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def run(connection: psycopg.Connection, statement: str, params: Sequence[object] | None = None) -> Rows:
    """Runs SQL, one statement or (without parameters) several; returns the rows of the last one."""
    cursor = connection.execute(statement, params)
    while cursor.nextset():
        pass
    return fetched(cursor)
