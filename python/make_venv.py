"""Makes .venv and installs the package with its tools: called by the Makefile, with whatever python3 there is.

Must be readable by any python3, to be able to say that it is too old.
"""

import importlib.util
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
OLDEST = (3, 11)


def ways():
    """Ways to make an environment with pip in it, the usual one first: (needed, command lines)."""
    this = sys.executable
    yield has("ensurepip"), [[this, "-m", "venv", "--clear", VENV]]
    yield has("virtualenv"), [[this, "-m", "virtualenv", "--clear", "--quiet", VENV]]
    yield shutil.which("uv"), [["uv", "venv", "--clear", "--quiet", "--seed", "--python", this, VENV]]
    # Debian's python3 comes without ensurepip; its pip can fill an environment made without one.
    yield (
        has("pip"),
        [
            [this, "-m", "venv", "--clear", "--without-pip", VENV],
            [this, "-m", "pip", "--python", PYTHON, "install", "--quiet", "pip"],
        ],
    )


def has(module):
    """Whether this python can import a module."""
    return importlib.util.find_spec(module) is not None


def run(command):
    """Runs a command; returns whether it succeeded."""
    return subprocess.call(command, cwd=ROOT) == 0


def main():
    """Returns the exit code."""
    if sys.version_info < OLDEST:
        have = sys.version.split()[0]
        print("python3 is %s; 3.11 or newer is needed. Try: make PYTHON=/path/to/python3.11" % have)
        return 1
    for needed, commands in ways():
        if needed and all(run(command) for command in commands):
            break
    else:
        print("Cannot make a virtual environment: python3 has neither venv nor pip.")
        print("Install them first, on Debian or Ubuntu: apt-get install python3-venv")
        return 1
    print("installing python/[dev] into .venv (about half a minute the first time) ...", flush=True)
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--quiet"]
    return 0 if run([*pip, "--editable", os.path.join(ROOT, "python") + "[dev]"]) else 1


if __name__ == "__main__":
    sys.exit(main())
