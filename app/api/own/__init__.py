"""Passerelle's own endpoints: completion, health, administration, the pages."""
