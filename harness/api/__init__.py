"""What ``import mosharness`` offers: one function a job, with the defaults of the command line.

Each is a thin layer over the room that does the work; the names are listed in ``harness/_root/__init__.py``.
"""
