"""What a bundle can do: scores, counted errors, plots and the model card."""
