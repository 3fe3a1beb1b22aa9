"""Prompts to RoBERTa's tokens, from tokenizer files that lie on this machine.

A checkpoint of ours holds its tokenizer (``tokenizer.json``), so that scoring needs nothing else.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from ....harness.core.errors import CheckpointError, UsageError
from ....harness.core.files import digest, read_text
from .shapes import END, PAD, START, TEXT_TOKENS

FILE = "tokenizer.json"
PARTS = {
    "vocab.json": "9e7f63c2d15d666b52e21d250d2e513b87c9b713cfa6987a82ed89e5e6e50655",
    "merges.txt": "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
}
"""RoBERTa's vocabulary and merges with their sha256, as public projects that use the pinned commit record them."""
ROBERTA = "FacebookAI/roberta-base"
COMMIT = "e2da8e2f811d1448a5b465c236feacd80ffbac7b"
SPECIAL = {"<s>": START, "<pad>": PAD, "</s>": END}


class PromptTokenizer:
    """Byte-level BPE with RoBERTa's start and end tokens, cut at 77 tokens as in laion_clap.

    Args:
        text: Content of a ``tokenizer.json``.
        where: What to call it in messages.

    Raises:
        CheckpointError: If it is no such file, or its special tokens are not RoBERTa's.
    """

    def __init__(self, text: str, where: str = FILE) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Any = Tokenizer.from_str(text)
        except Exception as error:  # the library raises a bare Exception
            raise CheckpointError(f"{where}: no tokenizer file ({' '.join(str(error).split())[:200]})") from error
        found = {name: self._tokenizer.token_to_id(name) for name in SPECIAL}
        if found != SPECIAL:
            raise CheckpointError(f"{where}: RoBERTa's special tokens are {SPECIAL}, this file has {found}")
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.text: str = self._tokenizer.to_str()

    @cached_property
    def digest(self) -> str:
        """Of the content, for fingerprints."""
        return digest(self.text)

    @property
    def size(self) -> int:
        """One more than the largest id."""
        words: dict[str, int] = self._tokenizer.get_vocab(with_added_tokens=True)
        return max(words.values()) + 1

    def __call__(self, text: str) -> list[int]:
        """Token ids of a prompt, from ``<s>`` to ``</s>``, at most 77.

        Raises:
            UsageError: If there is no text.
        """
        if not text.strip():
            raise UsageError("an empty prompt has no tokens")
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return [START, *ids[: TEXT_TOKENS - 2], END]


def load_tokenizer(source: str | Path) -> PromptTokenizer:
    """Read a tokenizer.

    Args:
        source: A folder with ``tokenizer.json``, or with ``vocab.json`` and ``merges.txt``; or
            ``FacebookAI/roberta-base``, whose vocabulary and merges are fetched at a pinned commit.

    Raises:
        CheckpointError: If the folder holds no tokenizer.
        HubError: If a download does not work.
        UsageError: If ``source`` is neither.
    """
    folder = Path(source).expanduser()
    if not folder.is_dir():
        if str(source) != ROBERTA:
            raise UsageError(
                f"tokenizer: {source} is no folder; name one with tokenizer.json (or vocab.json and merges.txt), or "
                f"{ROBERTA}"
            )
        folder = _fetch()
    whole = folder / FILE
    if whole.is_file():
        return PromptTokenizer(read_text(whole), str(whole))
    parts = [folder / name for name in PARTS]
    if not all(part.is_file() for part in parts):
        raise CheckpointError(f"{folder}: neither {FILE} nor {' and '.join(PARTS)} are there")
    return PromptTokenizer(_from_parts(*parts), str(folder))


def byte_tokenizer() -> PromptTokenizer:
    """One token per byte: for miniatures, which have no published tokenizer."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE
    from tokenizers.pre_tokenizers import ByteLevel

    words = [*SPECIAL, "<unk>", *sorted(ByteLevel.alphabet())]
    tokenizer = Tokenizer(BPE({word: at for at, word in enumerate(words)}, []))
    return PromptTokenizer(_finished(tokenizer), "bytes")


def _fetch() -> Path:
    from ....harness.hub.hub import fetch_snapshot

    instead = "set tokenizer to a local folder with these files"
    return Path(fetch_snapshot(ROBERTA, revision=COMMIT, files=PARTS, what="RoBERTa's tokenizer", instead=instead))


def _from_parts(vocabulary: Path, merges: Path) -> str:
    """The one-file form of a vocabulary with merges."""
    from tokenizers import Tokenizer
    from tokenizers.models import BPE

    try:
        model = BPE.from_file(str(vocabulary), str(merges))
    except Exception as error:  # the library raises a bare Exception
        raise CheckpointError(f"{vocabulary.parent}: no vocabulary with merges ({error})") from error
    return _finished(Tokenizer(model))


def _finished(tokenizer: Any) -> str:
    """With RoBERTa's splitting and special tokens, as the text of one file."""
    from tokenizers import AddedToken
    from tokenizers.pre_tokenizers import ByteLevel

    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    known = [name for name in (*SPECIAL, "<unk>", "<mask>") if tokenizer.token_to_id(name) is not None]
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in known])
    text: str = tokenizer.to_str()
    return text
