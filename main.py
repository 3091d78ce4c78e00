"""What the Docker image runs; the package installs the same as the command `source-clockify`."""

from source_clockify.run import run

if __name__ == "__main__":
    run()
