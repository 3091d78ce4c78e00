"""The version of the installed package."""

from importlib.metadata import PackageNotFoundError, version

DISTRIBUTION = "airbyte-source-clockify-cdc"


def installed_version() -> str | None:
    """Return the version, or None where the package is used without being installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None
