"""The version of this program, as it was installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("runv-email-alias")
except PackageNotFoundError:  # run from a checkout that was never installed
    VERSION = "unknown"
