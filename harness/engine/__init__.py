"""Scoring many clips: cached, journalled, resumable."""
