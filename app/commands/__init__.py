"""The commands of ``passerelle``: the service, a translation without it, models, keys, settings and checks."""
