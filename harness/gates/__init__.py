"""Quality gates: is a candidate system worse than a baseline by more than a margin? See ``docs/gate.md``."""
