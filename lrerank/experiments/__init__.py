"""Experiments on a simulated population: a spec, its run, and what may be concluded from it."""
