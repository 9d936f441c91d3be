"""Lossless text work: sentences, markup, placeholders and languages, without a model."""
