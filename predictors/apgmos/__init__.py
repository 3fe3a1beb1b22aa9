"""APG-MOS: auditory perception guided prediction of speech quality (arXiv 2504.20447)."""
