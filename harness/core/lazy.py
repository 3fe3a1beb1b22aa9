"""Modules that are imported when they are first used, so that listing names costs nothing."""

from __future__ import annotations

import importlib
from typing import Any


class LazyModule:
    """Stands for a module until an attribute of it is asked for.

    For modules of a predictor that listing predictors imports but does not run::

        if TYPE_CHECKING:
            import numpy as np
        else:
            np = LazyModule("numpy")

    Example:
        >>> LazyModule("math").floor(2.5)
        2
    """

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(importlib.import_module(self.__name__), attribute)
        setattr(self, attribute, value)
        return value
