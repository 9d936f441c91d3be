"""Translates files of millions of lines without the service: ``python -m app.bulk``."""
