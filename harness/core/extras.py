"""How an extra of this package is installed, for messages."""

from __future__ import annotations


def installing(extra: str) -> str:
    """The command that installs an extra, from the package index and in a checkout.

    Example:
        >>> installing("open")
        "pip install 'mosharness[open]' (in a checkout: uv pip install -e '.[open]')"
    """
    return f"pip install 'mosharness[{extra}]' (in a checkout: uv pip install -e '.[{extra}]')"
