"""What people call the columns of such tables, and which column is which.

A field is found under its own name, by a synonym, or where the user says (``--column FIELD=HEADER``). Where two columns
could be one field, neither is taken: the message names both and the option that decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ..core.errors import DataError, UnknownName, UsageError
from .grid import Grid, plain_name

SYNONYMS: dict[str, tuple[str, ...]] = {
    "utterance_id": (
        "utterance_id", "utt_id", "utteranceid", "uttid", "utterance", "utt", "clip_id", "clip", "id", "key",
        "sample_id", "sampleid", "sample", "stimulus_id", "stimulus", "item_id", "item", "segment_id", "wav_id",
        "file_id", "audio_id", "name", "basename",
    ),
    "path": (
        "path", "wav_path", "wavpath", "audio_path", "file_path", "filepath", "file_name", "filename", "file",
        "wav_file", "wav_name", "wav", "audio_file", "audio", "audiofile", "data_path", "deg", "filepath_deg", "wavs",
        "file_url", "audio_url", "wav_url", "clip_url", "stimulus_url", "url",
    ),
    "system_id": (
        "system_id", "systemid", "system", "systems", "sys_id", "sys", "model_id", "model_name", "model",
        "condition_id", "conditionid", "condition", "con", "method",
    ),
    "listener": (
        "listener", "listener_id", "listenerid", "lis_id", "lisid", "rater", "rater_id", "raterid", "worker",
        "worker_id", "workerid", "judge", "judge_id", "annotator", "annotator_id", "subject", "subject_id",
        "participant", "participant_id", "assessor", "assessor_id", "evaluator", "evaluator_id", "user_id", "user",
        "email", "e_mail", "email_address",
    ),
    "text": ("text", "sentence", "transcript", "transcription", "prompt", "caption"),
    "split": ("split", "subset_split", "partition", "fold", "set"),
    "n_ratings": ("n_ratings", "num_ratings", "votes", "n_votes", "n_listeners", "num_listeners"),
}  # fmt: skip
"""Field to names, the surest first; compared as :func:`~.grid.plain_name` writes them."""

LABEL_NAMES = (
    "mos", "mean_opinion_score", "mos_mean", "mean_mos", "mos_score", "avg_mos", "mean_score", "avg_score",
    "average_score", "score", "rating", "choice", "vote", "label", "mean", "opinion",
)  # fmt: skip
"""What one column of labels is called where it is not called ``mos``."""

PREDICTION_NAMES = (
    "predicted_mos", "mos_pred", "pred_mos", "mos_prediction", "predicted_score", "pred_score", "prediction",
    "predicted", "predictions", "pred", "answer", "mos", "mos_score", "score",
)  # fmt: skip
"""What one column of predictions is called where it is not called like its dimension."""

PREDICTORS = (
    "utmos", "utmosv2", "utmos_v2", "utmos22", "utmos22_strong", "dnsmos", "dnsmos_ovrl", "dns_overall", "ovrl", "ovr",
    "p808_mos", "dns_p808", "dnsmos_p808", "plcmos", "nisqa", "nisqa_mos", "nisqa_mos_pred", "sheet_ssqa", "distillmos",
    "distill_mos", "wvmos", "wv_mos", "mosnet", "ssl_mos", "sslmos", "scoreq", "squim_mos", "torch_squim_mos",
)  # fmt: skip
"""Columns that are called after the predictor whose scores they hold."""

RATINGS = "ratings"
"""Field of several columns, a listener each: ``--column ratings=anna,bob,cem``."""
PLATFORM = re.compile(r"(?:input|answer)_(?=.)")

HEADER_WORDS = frozenset(
    {name for names in SYNONYMS.values() for name in names} | {*LABEL_NAMES, *PREDICTION_NAMES, *PREDICTORS}
)


@dataclass(frozen=True)
class Chosen:
    """The columns of a table by field, as numbers, and the words for what was understood."""

    columns: Mapping[str, int]
    grid: Grid

    def name(self, field: str) -> str:
        """Heading of a field's column, or its number where the file has no header."""
        at = self.columns[field]
        return self.grid.header[at] if self.grid.header else f"column {at + 1}"

    def describe(self, rows: str = "rows", note: str = "") -> str:
        """The one line that says what was understood: form, columns, number of rows."""
        fields = ", ".join(f"{field} = {self.name(field)}" for field in self.columns)
        more = f"; {note}" if note else ""
        return f"{self.grid.path}: {self.grid.form}; {fields}; {len(self.grid.rows)} {rows}{more}"


def parse_columns(options: Sequence[str]) -> dict[str, str]:
    """``--column FIELD=HEADER`` as a mapping; ``--column HEADER`` alone is under the empty name.

    Raises:
        UsageError: For a field that is named twice or misspelt, or an empty side. Other names are dimensions.

    Example:
        >>> parse_columns(["utterance_id=wav", "mos=utmos"]), parse_columns(["utmos"])
        ({'utterance_id': 'wav', 'mos': 'utmos'}, {'': 'utmos'})
    """
    found: dict[str, str] = {}
    for option in options:
        field, equals, header = option.rpartition("=") if "=" in option else ("", "", option)
        field, header = field.strip(), header.strip()
        if not header or (equals and not field):
            raise UsageError(f"--column {option}: write FIELD=HEADER, such as utterance_id=wav or mos=score")
        near = get_close_matches(field, (*SYNONYMS, "mos"), 1, 0.8) if header != field and len(field) > 3 else []
        if near and field not in (*SYNONYMS, RATINGS) and not field[-1].isdecimal():
            raise UsageError(f'--column {option}: no field called "{field}". Did you mean "{near[0]}"?')
        if field in found:
            raise UsageError(f"--column names {field or 'the primary dimension'} twice")
        found[field] = header
    return found


def named_column(grid: Grid, field: str, header: str) -> int:
    """The column that the user named: by its heading, in any case, or by its number from 1 in a file without header.

    Raises:
        UnknownName: If there is none.
        DataError: If there are two.
    """
    if not grid.header:
        if header.isdecimal() and 1 <= int(header) <= grid.width:
            return int(header) - 1
        raise DataError(
            f"{grid.path}: --column {field}={header}: the file has no header to find it in; give a number from 1 to "
            f"{grid.width}"
        )
    exact = [at for at, name in enumerate(grid.header) if name == header]
    found = exact or [at for at, name in enumerate(grid.header) if plain_name(name) == plain_name(header)]
    if not found:
        raise UnknownName(f"column of {grid.path}", header, set(grid.header))
    if len(found) > 1:
        raise DataError(f"{grid.path}: the header names {header} twice")
    return found[0]


def candidates(grid: Grid, names: Sequence[str]) -> list[int]:
    """Columns with one of these names, in the order of ``names``.

    What crowd platforms put before the names of a form's fields, ``Input.`` and ``Answer.``, is no part of them.
    """
    plain = [plain_name(name) for name in grid.header]
    bare = [PLATFORM.sub("", name) for name in plain]
    return [at for name in names for at in range(len(plain)) if name in (plain[at], bare[at])]


def the_one(
    grid: Grid, field: str, found: Sequence[int], what: str = "", way_out: str = "say which with --column {}"
) -> int | None:
    """The only candidate of a field, or ``None`` without one.

    Args:
        grid: The table.
        field: What is looked for.
        found: Columns that could be it.
        what: How the message calls it, by default as the field.
        way_out: How the user decides, ``{}`` for field and heading.

    Raises:
        DataError: If there are several; it names them and the option that decides.
    """
    if len(found) > 1:
        listed = " or ".join(repr(grid.header[at]) for at in dict.fromkeys(found))
        first = grid.header[found[0]]
        raise DataError(
            f"{grid.path}: {what or field} could be the column {listed}; {way_out.format(f'{field}={first}')}"
        )
    return found[0] if found else None


def check_doubled(grid: Grid) -> None:
    """Refuse a header that names a column twice.

    Raises:
        DataError: It names them.
    """
    doubled = sorted({name for name in grid.header if grid.header.count(name) > 1})
    if doubled:
        raise DataError(f"{grid.path}: the header names {', '.join(doubled)} twice; rename one of them")
