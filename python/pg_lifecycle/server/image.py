"""The Docker images of the test servers, built from extension/Dockerfile when they are first asked for."""

from __future__ import annotations

# Debian's suite per major version; 19 comes from experimental, on top of sid.
SUITES = {15: "bookworm", 17: "trixie", 18: "sid", 19: "experimental"}
DEFAULT_MAJOR = 18


def unusable() -> str:
    """Why no container can be run here; empty when one can."""
    try:
        import docker
    except ImportError:
        return "the Python package `docker` is not installed"
    try:
        docker.from_env(timeout=10).ping()
    except (docker.errors.DockerException, OSError) as error:
        return f"no Docker engine answers: {str(error).splitlines()[0]}"
    return ""
