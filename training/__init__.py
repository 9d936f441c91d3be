"""Offline: parallel text -> trained model -> bundle. Never imports fastapi or app.api."""
