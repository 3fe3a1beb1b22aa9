"""Score audio that nobody has rated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from ...predictors import Predictor
    from ...predictors.selection import Chosen


def predict(
    paths: str | Path | Sequence[str | Path],
    predictor: str | Predictor | None = None,
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
        predictor: A name (:func:`list_predictors`), names with commas between, or a predictor from
            :func:`load_predictor`. By default those with open weights, which need no download.
        checkpoint: Weights for a predictor given by name; its published ones by default.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``, for a predictor given by name.
        output: Also write the table here (``.csv``, ``.jsonl`` or ``.parquet``); an interrupted call then goes on.
        use_cache: Whether finished scores are looked up and stored.
        workers: Decoding threads; they never change a score.
        overwrite: Replace an input, a file that is no earlier table, or a table with other clips or columns.
        show: Progress on stderr.

    Returns:
        A pandas table with the columns ``path``, ``utterance_id``, one per dimension (``NAME.DIMENSION`` for several
        predictors), ``duration_s``, ``sample_rate``, ``status`` (``ok``, ``warning``, ``failed``) and ``reason`` (empty
        where ``ok``).

    Raises:
        UsageError: For a path that does not exist, or no audio.
        CheckpointError: If there are no weights.
    """
    refuse_waves(paths)
    import pandas as pd

    from ..engine import predict as work
    from ..engine.earlier import EarlierTable
    from ..engine.several import columns_of, predict_several

    target = None if output is None else Path(output)
    if target is not None:
        work.check_format(target)
    several = [paths] if isinstance(paths, (str, Path)) else list(paths)
    entries = work.collect([str(path) for path in several]).entries
    loaded: list[tuple[str, Predictor]] = []
    chosen: list[Chosen] = []
    if predictor is None or isinstance(predictor, str):
        chosen = chosen_predictors(predictor, checkpoint=None if checkpoint is None else str(checkpoint))
    elif checkpoint is not None:
        raise UsageError("checkpoint= goes with the name of a predictor; this one is loaded already")
    else:
        loaded = [(predictor.name, predictor)]
    if target is not None:
        weights = [one.checkpoint for one in chosen if one.checkpoint]
        work.check_output(target, [*several, *(entry.path for entry in entries), *weights], overwrite=overwrite)
    earlier = EarlierTable.read(target, overwrite=overwrite)
    earlier.refuse_lost_clips([entry.utterance_id for entry in entries])
    loaded = loaded or load_several(chosen, device=device)
    earlier.refuse_lost_columns(columns_of(loaded))
    scored = predict_several(loaded, entries, output=target, use_cache=use_cache, workers=workers, show=show)
    return pd.DataFrame(work.table(entries, scored.rows), columns=work.header(scored.columns))


def refuse_waves(paths: object) -> None:
    """Refuse what is no path.

    Raises:
        UsageError: Saying what takes waves in memory.
    """
    given = paths if isinstance(paths, (list, tuple)) else [paths]
    strange = next((one for one in given if not isinstance(one, (str, Path))), None)
    if strange is not None:
        raise UsageError(
            f"predict takes paths of audio, folders or manifests, not {type(strange).__name__}; waves in memory: "
            "load_predictor(NAME).predict(WAVES)"
        )


def chosen_predictors(
    names: str | Sequence[str] | None, settings: Mapping[str, Any] | None = None, checkpoint: str | None = None
) -> list[Chosen]:
    """The predictors that ``--predictor`` names, else those with open weights.

    Args:
        names: ``NAME`` or ``NAME=CHECKPOINT``, several with commas between or as a list.
        settings: Of all, or of one by ``NAME.KEY``.
        checkpoint: Weights, where one name is given.

    Raises:
        UsageError: See :func:`~mosharness.predictors.selection.choose_predictors`.
    """
    from ...predictors import OPEN_PREDICTORS
    from ...predictors.selection import choose_predictors

    given = [names] if isinstance(names, str) else names
    return choose_predictors(OPEN_PREDICTORS if given is None else given, settings, checkpoint)


def load_several(chosen: Sequence[Chosen], **options: Any) -> list[tuple[str, Predictor]]:
    """Predictors by label, loaded in their order; ``options`` go to ``load_predictor``."""
    from ...predictors import load_predictor

    return [(one.label, load_predictor(one.name, one.checkpoint, **options, **one.config)) for one in chosen]
