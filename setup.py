"""The one thing pyproject.toml can't say: a found list of packages together with one that has another name in the wheel.

`datasets/` travels as `lrerank/_datasets/`; under its own name it would hide Hugging Face's library `datasets`.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["lrerank", "lrerank.*", "simulators", "simulators.*"]), "lrerank._datasets"],
    package_dir={"lrerank._datasets": "datasets"},
)
