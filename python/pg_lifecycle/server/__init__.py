"""PostgreSQL servers to try and test the extension on: one interface, four hosts.

Example:
    with create("docker:17") as server:
        server.install()
        server.execute("CREATE EXTENSION pg_lifecycle")
"""

from pg_lifecycle.server.base import Server, ServerError, fetched
from pg_lifecycle.server.hosts import Host, attach, available_hosts, create, default_spec
from pg_lifecycle.server.serve import main, serve, served, stop, stop_command

__all__ = [
    "Host",
    "Server",
    "ServerError",
    "attach",
    "available_hosts",
    "create",
    "default_spec",
    "fetched",
    "main",
    "serve",
    "served",
    "stop",
    "stop_command",
]
