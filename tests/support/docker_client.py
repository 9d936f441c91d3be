"""The Docker client of this machine, if it reaches an engine."""

import functools
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


@functools.cache
def docker_program() -> str | None:
    """The first Docker client on the path that reaches an engine."""
    folders = os.environ.get("PATH", "").split(os.pathsep)
    for folder in folders:
        program = shutil.which("docker", path=folder)
        if program and subprocess.run([program, "info"], capture_output=True, check=False, timeout=60).returncode == 0:
            return program
    return None


def docker(*arguments: str, check: bool = True, timeout_seconds: float = 120) -> str:
    program = docker_program()
    assert program is not None
    return run([program, *arguments], check=check, timeout_seconds=timeout_seconds)


def run(command: list[str], check: bool = True, timeout_seconds: float = 120) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    if check:
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


def compose_command() -> list[str] | None:
    program = docker_program()
    assert program is not None
    plugin = [program, "compose"]
    if subprocess.run([*plugin, "version"], capture_output=True, check=False).returncode == 0:
        return plugin
    standalone = shutil.which("docker-compose")
    return [standalone] if standalone else None
