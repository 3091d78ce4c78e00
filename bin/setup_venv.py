"""Make .venv from poetry.lock, or bring it up to date; bin/setup-venv picks the Python to run this.

Two stamps in .venv say what it was made from, each written only after its step has ended well, so
a failed or interrupted set-up is done again by the next run: a changed lock file makes .venv anew,
a changed pyproject.toml only installs the package again. A lock lets one run at a time do this.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
# Outside .venv, which is emptied when it is made anew.
LOCK_FILE = ROOT / ".venv.lock"
REQUIREMENTS_SCRIPT = ROOT / "bin" / "locked_requirements.py"


class Stamp:
    """A file in .venv that holds a checksum of what a step of the set-up was done from."""

    def __init__(self, name: str, *sources: Path) -> None:
        self.file = VENV / name
        # The folder counts too, since scripts in .venv hold its path.
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
    """Whether .venv's Python runs (its base may have been removed) and is the one asked for."""
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
    """pip keeps its own settings, but for those that would install outside .venv."""
    environment = {**os.environ, "PIP_USER": "0"}
    for name in ("PIP_PREFIX", "PIP_ROOT", "PIP_TARGET"):
        environment.pop(name, None)
    return environment


def set_up(with_this_python: bool) -> None:
    with LOCK_FILE.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another run is setting up .venv; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)

        def run(*command: str | Path, stdout: IO[str] | None = None) -> None:
            # A child keeps the lock open: if this process is killed, the next run waits for pip.
            subprocess.run(
                command, check=True, env=pip_environment(), pass_fds=[lock.fileno()], stdout=stdout
            )

        def pip_install(*arguments: str | Path) -> None:
            pip = (VENV_PYTHON, "-I", "-m", "pip", "--disable-pip-version-check")
            run(*pip, "install", "--quiet", *arguments)

        dependencies = Stamp("dependencies.stamp", ROOT / "poetry.lock", REQUIREMENTS_SCRIPT)
        package = Stamp("package.stamp", ROOT / "pyproject.toml")

        if not (dependencies.is_current() and venv_works(with_this_python)):
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            print(f"Setting up .venv with Python {version}; it takes about a minute.", flush=True)
            dependencies.remove()
            run(sys.executable, "-I", "-m", "venv", "--clear", VENV)
            pip_install("pip>=22")  # the first Pythons 3.10 bring one that lacks editable installs
            requirements = VENV / "requirements.txt"
            with requirements.open("w") as file:
                run(VENV_PYTHON, REQUIREMENTS_SCRIPT, stdout=file)
            pip_install("--no-deps", "--require-hashes", "--requirement", requirements)
            dependencies.write()

        if not package.is_current():
            package.remove()
            pip_install("--no-deps", "--no-build-isolation", "--editable", ROOT)
            package.write()


if __name__ == "__main__":
    try:
        set_up(with_this_python="--this-python" in sys.argv[1:])
    except subprocess.CalledProcessError as error:
        command = " ".join(str(part) for part in error.cmd)
        sys.exit(f"The set-up of .venv failed; the next run tries again. What failed: {command}")
    except KeyboardInterrupt:
        sys.exit("The set-up of .venv was interrupted; the next run does it again.")
