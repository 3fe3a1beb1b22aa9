"""Leaderboards: from result files to pages. ``make_boards`` -> ``write_boards`` or ``check_boards`` or an export."""

from __future__ import annotations

from .build import Fault, check_boards, choose, make_boards, write_boards
from .exports import boards_csv, boards_json, boards_latex, boards_plain
from .model import Board, make_board

__all__ = [
    "Board",
    "Fault",
    "boards_csv",
    "boards_json",
    "boards_latex",
    "boards_plain",
    "check_boards",
    "choose",
    "make_board",
    "make_boards",
    "write_boards",
]
