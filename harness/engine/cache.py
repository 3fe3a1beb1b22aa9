"""The prediction cache: scores by predictor fingerprint and decoded audio, in one SQLite file.

A run reads a snapshot once, as of its start, and so a hit never depends on timing; a resumed run reads the same
snapshot again (``bound``). Scores of a batch are stored in one transaction. A cache that cannot be opened, read or
written costs time, never a run: the reason is reported once and scoring goes on without it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ..core.clip import Outcome
from ..core.files import digest
from ..core.paths import cache_root

SCHEMA = """
CREATE TABLE IF NOT EXISTS scores (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    predictor TEXT NOT NULL,
    content TEXT NOT NULL,
    scores TEXT NOT NULL,
    UNIQUE (predictor, content)
)
"""


class PredictionCache:
    """Scores of one predictor.

    Args:
        fingerprint: What scores depend on besides the audio (``Predictor.fingerprint()``).
        path: The SQLite file; by default ``predictions.sqlite`` in the cache folder.
        bound: Read only entries up to this number; ``None`` takes what is there now.

    Attributes:
        bound: The number of the newest entry of the snapshot; give it to the run that resumes this one.
        problem: Why the cache is not in use, empty when it is.
    """

    def __init__(self, fingerprint: Mapping[str, Any], path: Path | None = None, *, bound: int | None = None) -> None:
        self.key = digest(fingerprint)
        self.path = path or cache_root() / "predictions.sqlite"
        self.problem = ""
        self.bound = bound if bound is not None else 0
        self._known: dict[str, tuple[float, ...]] = {}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database, database:
                database.execute(SCHEMA)
                if bound is None:
                    newest = database.execute("SELECT MAX(id) FROM scores").fetchone()[0]
                    self.bound = newest or 0
                query = "SELECT content, scores FROM scores WHERE predictor = ? AND id <= ?"
                rows = database.execute(query, (self.key, self.bound)).fetchall()
            self._known = {content: tuple(json.loads(scores)) for content, scores in rows}
        except (sqlite3.Error, OSError, ValueError) as error:
            self.problem = f"{self.path}: {error}; scoring goes on without the prediction cache"

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10.0)

    def __len__(self) -> int:
        return len(self._known)

    def get(self, content: str) -> tuple[float, ...] | None:
        """Scores of the audio with this digest, if the snapshot has them."""
        return self._known.get(content)

    def put(self, rows: Iterable[Outcome]) -> None:
        """Store the fresh, successful scores of a batch in one transaction."""
        fresh = [
            (self.key, row.content, json.dumps(row.scores))
            for row in rows
            if row.status != "failed" and not row.cached and row.content
        ]
        if not fresh or self.problem:
            return
        try:
            with closing(self._connect()) as database, database:
                database.executemany(
                    "INSERT OR IGNORE INTO scores (predictor, content, scores) VALUES (?, ?, ?)", fresh
                )
        except (sqlite3.Error, OSError) as error:
            self.problem = f"{self.path}: {error}; scoring goes on without the prediction cache"
