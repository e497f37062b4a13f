"""The policies that an experiment compares, one kind per file."""
