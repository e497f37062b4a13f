"""What the wheel holds, and that an installed lrerank is not confused by folders with the names of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ["lrerank", "simulators", "datasets"]


def run(*arguments: str | Path, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run this Python with `path` in front of what it imports from; -P keeps `cwd` out of it."""
    environment = {"PYTHONPATH": str(path)} if path else {}
    command = [sys.executable, "-P", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree, built from a copy so that no earlier build can lend it a file."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ["pyproject.toml", "setup.py", "README.md", "LICENSE"]:
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder / name)
    # Without isolation: setuptools is among the development tools, so nothing is downloaded.
    built = run(
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "-w",
        folder / "out",
        folder,
        cwd=folder,
    )
    assert built.returncode == 0, built.stderr
    [path] = (folder / "out").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, laid out as an installation does it."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A user's folder in which `simulators` and `datasets` are something else."""
    for name in ["simulators", "datasets"]:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('imported the wrong {name}')\n")
    return tmp_path


def tracked(folder: str) -> set[str]:
    """Files of a source folder that a wheel must hold, as paths from the project's root."""
    found = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(ROOT).as_posix() for path in found}


def test_every_module_and_every_data_file_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = tracked("lrerank") | tracked("simulators")
    wanted |= {name.replace("datasets/", "lrerank/_datasets/", 1) for name in tracked("datasets")}
    # Editors' and the system's hidden files are not the project's; Streamlit's folder is.
    wanted = {name for name in wanted if "/.streamlit/" in name or "/." not in name}
    assert wanted - names == set()


def test_the_wheel_brings_no_other_top_level_name(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {name for name in tops if not name.endswith(".dist-info")} == {"lrerank", "simulators"}


def test_datasets_holds_no_python() -> None:
    assert [name for name in tracked("datasets") if name.endswith((".py", ".pyc", ".pyi"))] == []


def test_an_installed_wheel_finds_its_own_folders(installed: Path, hostile: Path) -> None:
    question = (
        "import lrerank, simulators, importlib.util; from lrerank.data.locate import datasets_folder;"
        "print(lrerank.__file__); print(simulators.__file__); print(datasets_folder());"
        "print([s.origin for s in [importlib.util.find_spec('datasets')] if s])"
    )
    answer = run("-c", question, cwd=hostile, path=installed)
    assert answer.returncode == 0, answer.stderr
    package, simulators, datasets, others = answer.stdout.splitlines()
    assert Path(package) == installed / "lrerank" / "__init__.py"
    assert Path(simulators) == installed / "simulators" / "__init__.py"
    assert Path(datasets) == installed / "lrerank" / "_datasets"
    assert not others.startswith(f"['{installed}"), "a module `datasets` would hide Hugging Face's"
    assert str(hostile) not in others


def test_this_installation_finds_the_checkout(hostile: Path) -> None:
    question = (
        "import lrerank, simulators; from lrerank.data.locate import datasets_folder;"
        "print(lrerank.__file__); print(simulators.__file__); print(datasets_folder())"
    )
    answer = run("-c", question, cwd=hostile)
    if answer.returncode != 0 and "No module named 'lrerank'" in answer.stderr:
        pytest.skip("lrerank is not installed in this environment; `make test` installs it")
    assert answer.returncode == 0, answer.stderr
    package, simulators, datasets = answer.stdout.splitlines()
    assert Path(package) == ROOT / "lrerank" / "__init__.py"
    assert Path(simulators) == ROOT / "simulators" / "__init__.py"
    assert Path(datasets) == ROOT / "datasets"


def test_streamlit_reads_the_configuration_that_is_packaged(installed: Path, hostile: Path) -> None:
    entry = installed / "lrerank" / "ui" / "entry" / "app.py"
    answer = run(
        "-c",
        "import sys; from streamlit import config; config._main_script_path = sys.argv[1]; config.get_config_options();"
        "print(config.get_option('server.address'), config.get_option('browser.gatherUsageStats'),"
        " config.get_option('server.allowedHosts'), config.get_option('client.toolbarMode'))",
        entry,
        cwd=hostile,
        path=installed,
    )
    assert answer.stdout.splitlines()[-1:] == ["127.0.0.1 False ['localhost', '127.0.0.1'] viewer"], answer.stderr


def test_the_app_starts_from_the_wheel_and_only_listens_on_this_machine(installed: Path, hostile: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--server.headless=true", f"--server.port={port}"]
    server = subprocess.Popen(
        [sys.executable, "-P", "-c", "import sys; from lrerank.ui.serve import start; start(sys.argv[1:])", *options],
        cwd=hostile,
        env={"PYTHONPATH": str(installed), "HOME": str(hostile)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        # Start-up takes a second; a minute is for a machine that is busy with other things.
        for _ in range(600):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                    health = answer.read()
                break
            except OSError:
                assert server.poll() is None, "the server has ended"
                time.sleep(0.1)
        assert health == b"ok"
    finally:
        server.terminate()
        output, _ = server.communicate(timeout=30)
    assert f"server started on 127.0.0.1:{port}" in output


def test_a_checkout_started_with_its_app_has_the_same_configuration() -> None:
    assert (ROOT / ".streamlit").resolve() == ROOT / "lrerank" / "ui" / "entry" / ".streamlit"
    assert (ROOT / "app.py").read_text().split('"""')[2] == (
        (ROOT / "lrerank" / "ui" / "entry" / "app.py").read_text().split('"""')[2]
    )


def test_the_pins_allow_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *(item for extra in project["optional-dependencies"].values() for item in extra)]
    pins = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, version = line.split(";")[0].strip().split("==")
            pins[name] = version
    for text in asked:
        requirement = Requirement(text)
        assert canonicalize_name(requirement.name) in pins, f"{requirement.name} is not pinned"
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), text
