"""What other tools write: which of their columns holds the prediction, and how a file of theirs is recognised.

A form is known by headings that stand together in it. ``--from auto`` takes the first that fits and says so; a name
forces one. Layouts: UTMOSv2 ``inference.py --out_path`` and the list that its ``predict`` returns; NISQA
``run_predict.py`` (``NISQA_results.csv``, of a folder or of a CSV, whose columns it repeats); VERSA ``--output_file``
(a dictionary a line, in JSON or as Python prints it); SHEET ``results.csv``; DNSMOS ``dnsmos_local.py`` and what the
package ``speechmos`` returns; the command ``distillmos``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..core.errors import DataError, UnknownName
from .fields import PREDICTORS, candidates, the_one
from .grid import Grid, plain_name
from .ids import short_header

AUTO, PLAIN = "auto", "plain"


@dataclass(frozen=True)
class Peer:
    """A form of another tool.

    Attributes:
        name: As ``--from`` takes it.
        title: What it is called in messages.
        marks: Sets of headings; a file with all of one is of this form.
        values: Dimension to the headings that it may have, the primary one first.
        note: What a reader should know of the columns that are not taken.
        repeats: Whether a clip may have several rows with the same value (one a rating).
    """

    name: str
    title: str
    marks: tuple[frozenset[str], ...]
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    note: str = ""
    repeats: bool = False

    def fits(self, names: frozenset[str]) -> bool:
        """Whether a table with these headings is of this form."""
        return any(mark <= names for mark in self.marks)


def _marks(*headings: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(one.split()) for one in headings)


PEERS: dict[str, Peer] = {
    one.name: one
    for one in (
        Peer(
            "utmosv2", "UTMOSv2 predictions", _marks("file_path predicted_mos", "utt_id predicted_mos"),
            {"mos": ("predicted_mos",)},
        ),
        Peer(
            "nisqa", "NISQA results",
            _marks("deg mos_pred", "mos_pred noi_pred", "mos_pred model", "mos_pred filepath_deg"),
            {name: (f"{name}_pred",) for name in ("mos", "noi", "dis", "col", "loud")},
        ),
        Peer(
            "dnsmos", "DNSMOS results",
            _marks("filename ovrl sig bak", "ovrl_raw ovrl", "ovrl_mos sig_mos bak_mos", "mos_ovr mos_sig mos_bak"),
            {
                "mos": ("ovrl", "ovrl_mos", "mos_ovr"), "sig": ("sig", "sig_mos", "mos_sig"),
                "bak": ("bak", "bak_mos", "mos_bak"),
            },
            "mos is OVRL of P.835; for the P.808 score --column mos=P808_MOS",
        ),
        Peer(
            "distillmos", "DistillMOS results", _marks("filename distillmos", "file distillmos"),
            {"mos": ("distillmos",)},
        ),
        Peer(
            "sheet", "SHEET results", _marks("wav_path answer", "sample_id answer", "system_id answer"),
            {"mos": ("answer",)}, repeats=True,
        ),
        Peer("versa", "VERSA scores", _marks("key")),
    )
}  # fmt: skip
"""By name, in the order in which they are tried."""

VERSA_SCORES = (
    *PREDICTORS, "dns_overall", "dns_p808", "singmos", "singmos_v1", "singmos_v2", "singmos_pro", "sheet_ssqa",
    "scoreq_nr", "nisqa_mos_pred", "torch_squim_mos", "sigmos_mos_ovrl", "sigmos_ovrl", "wvmos", "uni_versa_mos",
)  # fmt: skip
"""Of the metrics of VERSA those that predict opinion scores and need no reference."""


def recognise(grid: Grid, form: str = AUTO) -> Peer | None:
    """The form of a table; ``None`` where it is plain.

    Args:
        grid: The table.
        form: ``auto``, ``plain``, or a name of :data:`PEERS`, which it then has to have.

    Raises:
        UnknownName: For another name.
        DataError: If the table is not of the form that was named.
    """
    if form == PLAIN:
        return None
    names = frozenset(plain_name(name) for name in grid.header)
    if form == AUTO:
        return next((one for one in PEERS.values() if one.fits(names) and _columns(one, grid)), None)
    if form not in PEERS:
        raise UnknownName("form of predictions", form, [AUTO, PLAIN, *PEERS])
    peer = PEERS[form]
    if not _columns(peer, grid):
        wanted = " or ".join(" and ".join(sorted(mark)) for mark in peer.marks)
        raise DataError(
            f"{grid.path}: --from {form}: {peer.title} have the columns {wanted}; the header is "
            f"{short_header(grid.header)!r}. Leave --from out, or name the column: --column mos=HEADER"
        )
    return peer


def _columns(peer: Peer, grid: Grid) -> dict[str, list[int]]:
    """Dimension to the columns that could be its prediction."""
    if not peer.values:
        found = list(dict.fromkeys(candidates(grid, VERSA_SCORES)))
        return {"mos": found} if found else {}
    return {name: own for name, headings in peer.values.items() if (own := candidates(grid, headings))}


def peer_columns(peer: Peer, grid: Grid, dimensions: Sequence[str]) -> dict[str, int]:
    """Dimension to column of a table of a known form.

    Args:
        peer: Its form.
        grid: The table.
        dimensions: Those of the labels, primary first; the form's primary score is taken as the first of them where
            it has none of that name.

    Raises:
        DataError: If several columns could be one score; it names them.
    """
    own = _columns(peer, grid)
    primary = next(iter(own))
    wanted = {name: own[name] for name in dimensions if name in own}
    if dimensions[0] not in wanted:
        wanted = {dimensions[0]: own[primary], **{name: one for name, one in wanted.items() if name != primary}}
    chosen = {}
    for name, places in wanted.items():
        at = the_one(grid, name, places, f"{peer.title}: the prediction of {name}")
        assert at is not None
        chosen[name] = at
    return chosen
