"""Evaluation of bundles: scores, counted errors, plots and the model card."""
