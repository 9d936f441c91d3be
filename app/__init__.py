"""The translation service. Never imports tensorflow, keras, tf2onnx or training."""

import os

__version__ = "0.1.0"

# onnxruntime's wheels for Linux report their use to its maker (from 1.31 on), unless this stands in the environment
# when they are loaded; its own function against that comes too late. Nothing here speaks to a network unasked.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# Nor do figures go to Ray's makers. It reads this when it is imported, where it is at all.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
