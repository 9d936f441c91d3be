"""``python -m training`` in a process of its own, on another Keras backend than the tests'."""

import os
import subprocess
import sys
from pathlib import Path

# What no backend but TensorFlow needs for training.
EXPORT_ONLY = ("tensorflow", "tf2onnx", "onnx", "onnxruntime")
_PROGRAM = f"""
import sys
from training.__main__ import main

code = main(sys.argv[1:])
imported = [name for name in {EXPORT_ONLY} if sys.modules.get(name) is not None]
sys.exit(code or (f"imported for nothing: {{imported}}" if imported else 0))
"""
# Generous: a busy machine compiles slowly.
LIMIT_SECONDS = 600


def train_on_jax(folder: Path, name: str, *options: str, environment: dict[str, str] | None = None) -> str:
    """``train`` of the configuration ``name`` in ``folder``, its runs beside it; what it printed."""
    process = start_on_jax(folder, name, *options, environment=environment)
    out, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, out
    return out


def start_on_jax(
    folder: Path, name: str, *options: str, environment: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """The same, not waited for."""
    command = ["train", str(folder / f"{name}.toml"), "--runs", str(folder / "runs"), *options]
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *command],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **(environment or {})},
        cwd=Path(__file__).parents[2],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
