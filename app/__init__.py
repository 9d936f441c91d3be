"""The translation service. Never imports tensorflow, keras, tf2onnx or training."""
