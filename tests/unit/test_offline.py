"""Nothing that the service loads keeps a record of its use, or an identity to report it under."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys, time
from pathlib import Path
from app.bundle.store import load_bundle
from app.engine.sessions import OnnxGraphs
OnnxGraphs(load_bundle(Path(sys.argv[1])), provider="cpu", threads=1)
time.sleep(0.5)  # it writes on a thread of its own
"""


def test_onnxruntime_reports_to_nobody(tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    environment.pop("XDG_CACHE_HOME", None)
    subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT / "models" / "en-fr")], env=environment, cwd=ROOT, check=True
    )
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
