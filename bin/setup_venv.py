"""Make .venv from poetry.lock, or bring it up to date; bin/setup-venv picks the Python to run this.

Two stamps in .venv record its origin. Each is written only after its step has succeeded, so the
next run repeats a failed or interrupted set-up: a changed lock file makes .venv anew, a changed
pyproject.toml only reinstalls the package. A lock allows one run at a time. Each step prints what
it does and its progress; nothing is printed if there is nothing to do.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
# Outside of .venv, which is emptied when it is made anew.
LOCK_FILE = ROOT / ".venv.lock"
REQUIREMENTS_SCRIPT = ROOT / "bin" / "locked_requirements.py"


class Stamp:
    """A file in .venv with a checksum of the inputs of a set-up step."""

    def __init__(self, name: str, *sources: Path) -> None:
        self.file = VENV / name
        # The folder is included, since scripts in .venv contain its path.
        digest = hashlib.sha256(os.fsencode(ROOT))
        for source in sources:
            digest.update(source.read_bytes())
        self.checksum = digest.hexdigest()

    def is_current(self) -> bool:
        return self.file.is_file() and self.file.read_text() == self.checksum

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)

    def write(self) -> None:
        self.file.write_text(self.checksum)


def venv_works(with_this_python: bool) -> bool:
    """Return whether .venv's Python runs (its base may be missing) and is the requested one."""
    try:
        version = subprocess.run(
            [VENV_PYTHON, "-I", "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            check=True,
            text=True,
        ).stdout.split()
    except (OSError, subprocess.CalledProcessError):
        return False
    return not with_this_python or version == [str(part) for part in sys.version_info[:2]]


def pip_environment() -> dict[str, str]:
    """Return the environment of pip, without settings that would install outside of .venv."""
    environment = {**os.environ, "PIP_USER": "0"}
    for name in ("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET"):
        environment.pop(name, None)
    return environment


class Pip:
    """The output of pip, and its progress with the packages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def describe(self, pinned: int) -> str:
        """Return the progress of pip; packages are named while fetched, not while unpacked."""
        lines = list(self.lines)
        # Packages that this Python or system does not require.
        total = pinned - sum(line.startswith("Ignoring ") for line in lines)
        if any(line.startswith("Installing collected") for line in lines):
            installed = sum(1 for _ in VENV.glob("lib/python*/site-packages/*.dist-info"))
            return f"{min(installed, total)} of {total} installed"
        return f"{sum(line.startswith('Collecting ') for line in lines)} of {total} downloaded"


@contextmanager
def step(text: str, describe: Callable[[], str] = str) -> Iterator[None]:
    """Print a step, its progress every few seconds, and its duration.

    `describe` returns the progress in words, "" by default.
    """
    is_done = threading.Event()
    began = time.monotonic()
    on_terminal = sys.stdout.isatty()

    def line_of(found: str) -> str:
        # It overwrites the previous line, which may be longer.
        return f"\r  {text}: {found}".ljust(90)

    def tick() -> None:
        while not is_done.wait(1 if on_terminal else 5):
            seconds = f"{time.monotonic() - began:.0f} s"
            found = ", ".join(filter(None, [describe(), seconds]))
            print(line_of(found) if on_terminal else f"    {found}\n", end="", flush=True)

    print(f"  {text} ...", end="" if on_terminal else "\n", flush=True)
    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        is_done.set()
        ticker.join()
    done = f"{time.monotonic() - began:.0f} s"
    print(line_of(done) if on_terminal else f"    done, {done}", flush=True)


def set_up(with_this_python: bool) -> None:
    with LOCK_FILE.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another run is setting up .venv; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)

        def run(*command: str | Path, pip: Pip) -> None:
            # A child keeps the lock open: if this process is killed, the next run waits for pip.
            process = subprocess.Popen(
                command,
                env=pip_environment(),
                pass_fds=[lock.fileno()],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            assert process.stdout is not None
            for line in process.stdout:
                pip.lines.append(line)
            if process.wait():
                print("", *pip.lines[-20:], sep="\n", file=sys.stderr)
                raise subprocess.CalledProcessError(process.returncode, command)

        def pip_install(*arguments: str | Path, pip: Pip) -> None:
            command = (VENV_PYTHON, "-I", "-m", "pip", "--disable-pip-version-check", "install")
            run(*command, "--progress-bar", "off", *arguments, pip=pip)

        dependencies = Stamp("dependencies.stamp", ROOT / "poetry.lock", REQUIREMENTS_SCRIPT)
        package = Stamp("package.stamp", ROOT / "pyproject.toml")

        if not (dependencies.is_current() and venv_works(with_this_python)):
            version = ".".join(str(part) for part in sys.version_info[:3])
            print("Setting up .venv; it takes about a minute.", flush=True)
            dependencies.remove()
            with step(f"1 of 4: .venv with Python {version} ({sys.executable})"):
                run(sys.executable, "-I", "-m", "venv", "--clear", VENV, pip=Pip())
            with step("2 of 4: pip"):
                # The first releases of Python 3.10 include a pip without editable installs.
                pip_install("pip>=22", pip=Pip())
            requirements = VENV / "requirements.txt"
            with requirements.open("w") as file:
                subprocess.run([VENV_PYTHON, REQUIREMENTS_SCRIPT], check=True, stdout=file)
            pinned = sum("==" in line for line in requirements.read_text().split("\n"))
            pip = Pip()
            with step("3 of 4: the packages of poetry.lock", lambda: pip.describe(pinned)):
                pip_install("--no-deps", "--require-hashes", "--requirement", requirements, pip=pip)
            dependencies.write()

        if not package.is_current():
            package.remove()
            with step("4 of 4: source-clockify itself"):
                pip_install("--no-deps", "--no-build-isolation", "--editable", ROOT, pip=Pip())
            package.write()


if __name__ == "__main__":
    try:
        set_up(with_this_python="--this-python" in sys.argv[1:])
    except subprocess.CalledProcessError as error:
        command = " ".join(str(part) for part in error.cmd)
        sys.exit(f"The set-up of .venv failed; the next run tries again. What failed: {command}")
    except KeyboardInterrupt:
        sys.exit("The set-up of .venv was interrupted; the next run does it again.")
