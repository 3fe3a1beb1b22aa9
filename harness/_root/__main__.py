"""``python -m mosharness``."""

from mosharness.harness.cli import main

if __name__ == "__main__":
    main()
