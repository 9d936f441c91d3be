"""HTTP: one file for each dialect or concern. The only folder besides ``app.main`` that imports fastapi."""
