"""What the Docker image runs; the package installs the same as the command `source-clockify`."""

import signal

if __name__ == "__main__":
    if hasattr(signal, "pthread_sigmask"):
        # Process 1 of a container never gets a signal that it neither handles nor blocks. What
        # comes while the modules are imported waits until `run` watches for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGHUP])

    from source_clockify.run import run

    run()
