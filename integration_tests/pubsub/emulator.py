"""Google's Pub/Sub emulator, where the machine has it: it is a part of the Google Cloud CLI."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread, Timer

_SECONDS_TO_START = 60


def find_emulator() -> Path | None:
    """The emulator's start script; None without the emulator or without a Java that runs."""
    gcloud, java = shutil.which("gcloud"), shutil.which("java")
    if gcloud is None or java is None:
        return None
    # Some systems have a `java` that only says how to install it.
    if subprocess.run([java, "-version"], capture_output=True).returncode != 0:
        return None
    sdk = Path(gcloud).resolve().parents[1]
    script = sdk / "platform" / "pubsub-emulator" / "bin" / "cloud-pubsub-emulator"
    return script if script.exists() else None


@contextmanager
def start_emulator(script: Path) -> Iterator[str]:
    """Start the emulator on a free port; answers its address. RuntimeError if it does not start."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [script, "--host=127.0.0.1", f"--port={port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    output = process.stdout
    assert output is not None
    printed = b""
    overdue = Timer(_SECONDS_TO_START, os.killpg, [process.pid, signal.SIGKILL])
    overdue.start()
    try:
        for line in output:
            printed += line
            if b"Server started" in line:
                break
        else:
            raise RuntimeError(f"the emulator did not start: {printed.decode(errors='replace')}")
        overdue.cancel()
        # Its log has to be read, or it would wait.
        Thread(target=output.read, daemon=True).start()
        yield f"127.0.0.1:{port}"
    finally:
        overdue.cancel()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        output.close()
