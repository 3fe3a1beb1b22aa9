"""Networks without values, for weights that a checkpoint is about to bring."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_empty: ContextVar[bool] = ContextVar("utmosv2_empty", default=False)


@contextmanager
def empty_weights() -> Iterator[None]:
    """Networks made in this context hold no values yet: a checkpoint replaces them, and drawing them takes seconds."""
    token = _empty.set(True)
    try:
        yield
    finally:
        _empty.reset(token)


def is_empty() -> bool:
    """Whether the caller is inside :func:`empty_weights`."""
    return _empty.get()
