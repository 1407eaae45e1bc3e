"""Builds, lints, hosts and runs the PostgreSQL extension pg_lifecycle."""

__version__ = "0.1.0"
