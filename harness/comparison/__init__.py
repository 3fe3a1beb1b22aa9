"""Comparison: which stored results may be compared, and which is better."""
