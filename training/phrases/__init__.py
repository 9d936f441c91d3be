"""Phrase tables: words and short phrases with their translations, counted in the training text."""
