"""Who may call, how often and how much: keys, quotas and rates, without HTTP."""
