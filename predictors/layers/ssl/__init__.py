"""Self-supervised speech models (wav2vec 2.0, HuBERT, WavLM) that give a clip the same states in any batch.

``shapes`` says what the models look like and how many frames a clip gives, ``backbone`` runs them, ``pooling`` turns
frames into one vector, ``official`` and ``pretrained`` bring published weights in. Only ``shapes`` is free of torch.
"""
