"""Passerelle's own routes: completion, health, administration, the pages."""
