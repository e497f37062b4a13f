"""Measures of rankings, and how sure one can be of their means."""
