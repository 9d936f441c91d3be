"""HTTP: a folder for each dialect, and what all of them share. Only this folder and ``app.main`` import fastapi."""
