"""Which Python `make` takes, and what it says when there is none; the interpreters are shell scripts, nothing is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the set-up scripts need a POSIX shell")


def script(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


class Machine:
    """A PATH with what a test puts on it, and nothing else."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.home = folder / "home folder"
        self.bin.mkdir()

    def has_python(self, name: str, verdict: str, version: str) -> str:
        """Install an interpreter that answers the finder's question with this verdict; its path."""
        path = self.bin / name
        script(path, f'echo "{verdict} {version} {path}"')
        return str(path)

    def find(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        shell = shutil.which("sh")
        assert shell
        return subprocess.run(
            [shell, str(ROOT / ".ci" / "find-python"), *arguments],
            env={"PATH": str(self.bin), "HOME": str(self.home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_takes_3_12_before_3_11_before_python3(machine: Machine) -> None:
    python3 = machine.has_python("python3", "fits", "3.11.2")
    assert machine.find().stdout == f"{python3}\n"
    eleven = machine.has_python("python3.11", "fits", "3.11.9")
    assert machine.find().stdout == f"{eleven}\n"
    twelve = machine.has_python("python3.12", "fits", "3.12.1")
    assert machine.find().stdout == f"{twelve}\n"


def test_passes_over_a_shim_that_fails_and_a_python_without_venv(machine: Machine) -> None:
    script(machine.bin / "python3.12", 'echo "pyenv: python3.12: command not found" >&2; exit 127')
    machine.has_python("python3.11", "venv", "3.11.2")
    python3 = machine.has_python("python3", "fits", "3.12.3")
    assert machine.find().stdout == f"{python3}\n"


def test_finds_a_pyenv_version_that_is_not_active(machine: Machine) -> None:
    machine.has_python("python3", "version", "3.13.0")
    hidden = machine.home / ".pyenv" / "versions" / "3.12.1" / "bin" / "python"
    script(hidden, f'echo "fits 3.12.1 {hidden}"')
    assert machine.find().stdout == f"{hidden}\n"


def test_gets_a_python_through_uv(machine: Machine) -> None:
    machine.has_python("python3", "venv", "3.11.2")
    managed = machine.has_python("managed", "fits", "3.12.9")
    script(
        machine.bin / "uv",
        f"""case "$UV_PYTHON_PREFERENCE $*" in
"only-managed python install 3.12") echo "downloading" ;;
"only-managed python find 3.12") echo "{managed}" ;;
*) exit 9 ;;
esac""",
    )
    assert machine.find().stdout == f"{managed}\n"


def test_says_so_when_uv_fails(machine: Machine) -> None:
    script(machine.bin / "uv", 'echo "uv: no network" >&2; exit 2')
    found = machine.find()
    assert found.returncode == 1
    assert "uv: no network" in found.stderr
    assert "could not provide Python 3.12" in found.stderr
    assert "install uv" not in found.stderr


@pytest.mark.parametrize(
    ("arrange", "says"),
    [
        pytest.param(lambda _machine: None, ["No Python was found", "apt install python3 python3-venv"], id="none"),
        pytest.param(
            lambda machine: (
                machine.has_python("python3", "version", "3.13.0"),
                machine.has_python("python", "version", "3.8.18"),
            ),
            ["needs CPython 3.11 or 3.12", "3.13.0", "3.8.18", "install uv"],
            id="others-only",
        ),
        pytest.param(
            lambda machine: machine.has_python("python3", "venv", "3.11.2"),
            ["3.11.2", "ensurepip", "sudo apt install python3-venv"],
            id="debian-without-venv",
        ),
        pytest.param(
            lambda machine: (
                script(machine.bin / "uname", "echo aarch64"),
                machine.has_python("python3", "machine", "3.12.3"),
            ),
            ["aarch64", "x86_64 only"],
            id="linux-on-arm",
        ),
    ],
)
def test_says_what_is_missing(machine: Machine, arrange: Callable[[Machine], object], says: list[str]) -> None:
    arrange(machine)
    found = machine.find()
    assert found.returncode == 1
    assert found.stdout == ""
    for part in says:
        assert part in found.stderr


def test_considers_only_the_python_that_was_asked_for(machine: Machine) -> None:
    machine.has_python("python3.12", "fits", "3.12.1")
    old = machine.has_python("old", "version", "3.10.1")
    assert "Found only: 3.10.1" in machine.find(old).stderr
    assert "absent is not a Python that runs" in machine.find("absent").stderr


def test_a_real_interpreter_understands_the_question(machine: Machine) -> None:
    # The one that runs the tests fits by definition, unless its system splits venv off; either way it must be understood.
    found = machine.find(sys.executable)
    assert found.returncode == 0 or "ensurepip" in found.stderr
    if found.returncode == 0:
        assert Path(found.stdout.strip()).is_file()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project folder with the real set-up script, whose Python makes an environment that only notes what pip is told."""
    folder = tmp_path / "check out"
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    for name in ["pyproject.toml", "setup.py", "constraints.txt"]:
        shutil.copy(ROOT / name, folder / name)
    inner = """case "$*" in
*"pip install"*) echo "$*" >>"$(dirname "$0")/../../pip.log"; [ ! -e "$(dirname "$0")/../../fail" ] ;;
esac"""
    script(folder / "inner", inner)
    outer = """case "$*" in
"-m venv .venv") mkdir -p .venv/bin; cp inner .venv/bin/python; echo made >>venv.log ;;
*) echo "fits 3.12.1 $0" ;;
esac"""
    script(folder / "python", outer)
    return folder


def setup(checkout: Path, level: str) -> int:
    command = ["sh", ".ci/setup", level, str(checkout / "python")]
    return subprocess.run(command, cwd=checkout, capture_output=True, check=False, timeout=30).returncode


def lines(path: Path) -> int:
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_installs_once_and_again_when_the_pins_change(checkout: Path) -> None:
    assert setup(checkout, "dev") == 0
    assert setup(checkout, "dev") == 0
    assert setup(checkout, "app") == 0, "what dev installs includes what the app needs"
    assert (lines(checkout / "venv.log"), lines(checkout / "pip.log")) == (1, 1)
    assert "--constraint constraints.txt --editable .[dev]" in (checkout / "pip.log").read_text()

    with (checkout / "constraints.txt").open("a") as pins:
        pins.write("another==1.0\n")
    assert setup(checkout, "dev") == 0
    assert (lines(checkout / "venv.log"), lines(checkout / "pip.log")) == (1, 2)


def test_an_environment_left_half_made_is_made_anew(checkout: Path) -> None:
    (checkout / "fail").touch()
    assert setup(checkout, "app") != 0
    (checkout / "fail").unlink()
    assert setup(checkout, "app") == 0
    assert lines(checkout / "venv.log") == 2, "an interrupted installation is not trusted"

    (checkout / ".venv" / "bin" / "python").unlink()
    assert setup(checkout, "app") == 0
    assert lines(checkout / "venv.log") == 3, "an interpreter that is gone is noticed"


def test_a_copied_folder_is_installed_again(checkout: Path, tmp_path: Path) -> None:
    assert setup(checkout, "app") == 0
    copy = tmp_path / "copy"
    shutil.copytree(checkout, copy)
    assert setup(copy, "app") == 0
    assert lines(copy / "pip.log") == 2, "its environment pointed at the original"
