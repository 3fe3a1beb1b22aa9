"""``mosharness new``: packages of third parties, written from templates."""
