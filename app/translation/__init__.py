"""One text in one direction: segments, masking, the engine's answer, and the text put together again."""
