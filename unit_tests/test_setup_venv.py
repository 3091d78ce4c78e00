"""bin/setup-venv, with an installer that writes down what it is asked for and installs nothing."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ("bin/setup-venv", "bin/build_backend.py", "pyproject.toml", "requirements/dev.txt")

# Makes a .venv whose Python answers questions, and whose pip writes down its arguments as well.
UV = f"""#!/bin/sh
echo "uv $1" >>calls
[ ! -e uv-fails ] || exit 1
[ "$1" = venv ] || exit 0
mkdir -p .venv/bin
cat >.venv/bin/python <<'PYTHON'
#!/bin/sh
case "$*" in
    *'-m pip'*) echo pip >>calls; [ ! -e pip-fails ] ;;
    *) exec {sys.executable} "$@" ;;
esac
PYTHON
chmod +x .venv/bin/python
"""
WHOLE = ["uv venv", "uv pip", "pip"]


@dataclass(frozen=True)
class Checkout:
    folder: Path

    def start(self, **environment: str) -> "subprocess.Popen[str]":
        inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        path = f"{self.folder}/path:{inherited['PATH']}"
        return subprocess.Popen(
            [self.folder / "bin" / "setup-venv"],
            env={**inherited, "PYTHON": sys.executable, "PATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **environment: str) -> tuple[int, str]:
        """Run it to its end; answers the exit code, and what was printed."""
        process = self.start(**environment)
        printed, _ = process.communicate(timeout=60)
        return process.returncode, printed

    def calls(self) -> list[str]:
        """What was asked for since the last time."""
        file = self.folder / "calls"
        calls = file.read_text().split("\n")[:-1] if file.exists() else []
        file.unlink(missing_ok=True)
        return calls

    def change(self, name: str) -> None:
        with (self.folder / name).open("a") as file:
            file.write("# changed\n")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "uv").write_text(UV)
    (tmp_path / "path" / "uv").chmod(0o755)
    return Checkout(tmp_path)


def test_the_second_run_does_and_says_nothing(checkout: Checkout) -> None:
    code, printed = checkout.run()
    assert code == 0
    assert "Setting up .venv with Python 3." in printed
    assert checkout.calls() == WHOLE
    assert checkout.run() == (0, "")
    assert checkout.calls() == []


def test_changed_pins_make_it_anew(checkout: Checkout) -> None:
    checkout.run()
    checkout.calls()
    checkout.change("requirements/dev.txt")
    assert checkout.run()[0] == 0
    assert checkout.calls() == WHOLE


@pytest.mark.parametrize("name", ["pyproject.toml", "bin/build_backend.py"])
def test_a_changed_package_is_installed_again_and_nothing_else(
    checkout: Checkout, name: str
) -> None:
    checkout.run()
    checkout.calls()
    checkout.change(name)
    assert checkout.run()[0] == 0
    assert checkout.calls() == ["pip"]


def test_a_moved_folder_makes_it_anew(checkout: Checkout, tmp_path: Path) -> None:
    checkout.run()
    moved = Checkout(tmp_path.with_name(f"{tmp_path.name}-moved"))
    tmp_path.rename(moved.folder)
    moved.calls()
    assert moved.run()[0] == 0
    assert moved.calls() == WHOLE


def test_a_python_that_no_longer_runs_makes_it_anew(checkout: Checkout) -> None:
    checkout.run()
    checkout.calls()
    (checkout.folder / ".venv" / "bin" / "python").unlink()
    assert checkout.run()[0] == 0
    assert checkout.calls() == WHOLE


def test_a_step_that_failed_is_done_again_by_the_next_run(checkout: Checkout) -> None:
    for fault, calls in [("uv-fails", ["uv venv"]), ("pip-fails", WHOLE)]:
        (checkout.folder / fault).touch()
        code, printed = checkout.run()
        assert code == 1
        assert "the next run does it again" in printed
        assert checkout.calls() == calls
        (checkout.folder / fault).unlink()
    assert checkout.run()[0] == 0
    assert checkout.calls() == ["pip"]


def test_a_run_waits_for_the_one_that_is_setting_up(checkout: Checkout) -> None:
    with (checkout.folder / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = checkout.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "Another run is setting up .venv; waiting for it.\n"
        assert checkout.calls() == []
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert checkout.calls() == WHOLE


def test_a_python_of_another_version_is_refused(checkout: Checkout) -> None:
    old = checkout.folder / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    assert checkout.run(PYTHON=str(old)) == (
        1,
        f"PYTHON={old} is no Python 3.10 to 3.13 with venv.\n",
    )


def test_a_machine_without_a_python_is_told_what_it_needs(checkout: Checkout) -> None:
    for name in ("python3", *(f"python3.{minor}" for minor in range(10, 14))):
        (checkout.folder / "path" / name).write_text("#!/bin/sh\nexit 1\n")
        (checkout.folder / "path" / name).chmod(0o755)
    code, printed = checkout.run(PYTHON="")
    assert code == 1
    assert printed.startswith("No Python 3.10 to 3.13 with venv found.")
