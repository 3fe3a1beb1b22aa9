"""CLAP (Wu et al. 2023) as a backbone: audio to frames or an embedding, text to an embedding beside it.

The model is that of ``transformers``; weights of LAION's own package load by a key map. Nothing here imports torch
before a part is used.
"""
