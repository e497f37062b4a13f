"""Catalogs and logs: readers, validation, the registry of public data sets, the built-in worlds."""
