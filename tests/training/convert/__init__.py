"""Tests of the conversion of published models."""
