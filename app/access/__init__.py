"""Admission of callers: API keys, rates and quotas, without HTTP."""
