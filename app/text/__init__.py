"""Lossless text work: sentences, markup, languages."""
