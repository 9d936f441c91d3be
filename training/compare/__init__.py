"""``compare``: the whole family of systems trained with one budget, measured alike, and put into one table."""
