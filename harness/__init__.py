"""The harness: nothing here knows one particular data set or model. ``harness/api`` is what ``mosharness`` offers."""
