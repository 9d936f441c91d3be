"""Starting the service where something else than ``python -m app`` runs it."""
