"""mosharness: an evaluation harness for MOS predictors. The public names, imported on first use."""

from typing import Any

import mosharness.harness

__all__ = ["__version__"]
__all__ += mosharness.harness.__all__


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from mosharness.harness.core.provenance import own_version

        return own_version()
    return getattr(mosharness.harness, name)
