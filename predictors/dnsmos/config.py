"""Settings of DNSMOS."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DnsmosConfig:
    """DNSMOS P.835.

    Attributes:
        personalized: Whether to take the network for personalised noise suppressors, which counts other talkers as
            noise, with its own curves.
    """

    personalized: bool = False
