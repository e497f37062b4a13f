"""What a run was made with: versions, the state of the sources, the machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_LIBRARIES = ("lrerank", "numpy", "pandas", "scipy", "scikit-learn", "vowpal-wabbit-next", "xgboost-cpu", "xgboost")
_CHECKOUT = Path(__file__).resolve().parents[2]
_PATIENCE_SECONDS = 10


def versions() -> dict[str, str]:
    """Of Python and of the libraries that make numbers, those that are installed."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    if "lrerank" not in found:  # run from a checkout that is not installed
        found["lrerank"] = tomllib.loads((_CHECKOUT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    return found


def git_state(checkout: Path = _CHECKOUT) -> dict[str, Any] | None:
    """`commit` and `dirty` of the sources that run; None where they are installed, not checked out."""
    git = shutil.which("git")
    # Only our own checkout: an installation inside somebody's repository says nothing about us.
    if git is None or not (checkout / ".git").exists() or not (checkout / "pyproject.toml").is_file():
        return None
    commit = _said(git, checkout, "rev-parse", "HEAD")
    changes = _said(git, checkout, "status", "--porcelain", "--untracked-files=no")
    if not commit or changes is None:
        return None
    return {"commit": commit, "dirty": bool(changes)}


def machine() -> dict[str, Any]:
    """What says how fast it may have been."""
    return {"system": platform.system(), "processor": platform.machine(), "cores": os.cpu_count()}


def _said(git: str, checkout: Path, *arguments: str) -> str | None:
    try:
        command = [git, "--no-optional-locks", "-C", str(checkout), *arguments]
        # The program is git, found on the user's own path; no argument comes from outside.
        found = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None
