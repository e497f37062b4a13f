"""The command line: thin callers of the library, tables for people and `--json` for programs."""

from lrerank.cli.main import main

__all__ = ["main"]
