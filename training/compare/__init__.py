"""``compare`` and ``ladder``: systems trained with equal budgets, measured in the same way and tabulated."""
