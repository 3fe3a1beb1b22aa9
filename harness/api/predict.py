"""Score audio that nobody has rated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from ...predictors import Predictor


def predict(
    paths: str | Path | Sequence[str | Path],
    predictor: str | Predictor,
    *,
    checkpoint: str | Path | None = None,
    device: str = "auto",
    output: str | Path | None = None,
    use_cache: bool = True,
    workers: int | None = None,
    overwrite: bool = False,
    show: bool = False,
) -> pd.DataFrame:
    """Score files, one row per clip, whatever happens to it, as ``mosharness predict`` does.

    For waves in memory (arrays, tensors, Hugging Face audio dicts) use ``load_predictor(...).predict(...)``.

    Args:
        paths: A file, folder or manifest (``.csv`` with a ``path`` column), or a list of these.
        predictor: A name (:func:`list_predictors`), or a predictor from :func:`load_predictor`.
        checkpoint: Weights for a predictor given by name; its published ones by default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, for a predictor given by name.
        output: Also write the table here (``.csv``, ``.jsonl`` or ``.parquet``); an interrupted call then goes on.
        use_cache: Whether finished scores are looked up and stored.
        workers: Decoding threads; they never change a score.
        overwrite: Replace an input, or a file that is no earlier table, by the table.
        show: Progress on stderr.

    Returns:
        A pandas table with the columns ``path``, ``utterance_id``, one per dimension, ``duration_s``, ``sample_rate``,
        ``status`` (``ok``, ``warning``, ``failed``) and ``reason`` (empty where ``ok``).

    Raises:
        UsageError: For a path that does not exist, or no audio.
        CheckpointError: If there are no weights.
    """
    import pandas as pd

    from ...predictors import load_predictor
    from ..engine import predict as work

    target = None if output is None else Path(output)
    if target is not None:
        work.check_format(target)
    several = [paths] if isinstance(paths, (str, Path)) else list(paths)
    entries = work.collect([str(path) for path in several]).entries
    if target is not None:
        read = [*several, *(entry.path for entry in entries), *([] if checkpoint is None else [checkpoint])]
        work.check_output(target, read, overwrite=overwrite)
    if isinstance(predictor, str):
        predictor = load_predictor(predictor, checkpoint, device)
    elif checkpoint is not None:
        raise UsageError("checkpoint= goes with the name of a predictor; this one is loaded already")
    rows = work.predict_entries(predictor, entries, output=target, use_cache=use_cache, workers=workers, show=show)
    return pd.DataFrame(work.table(entries, rows), columns=work.header(predictor.dimensions))
