"""Audio: find files, read, decode and check them, resample."""
