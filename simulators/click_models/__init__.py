"""How users click through a list: one model per file, named as in the literature."""
