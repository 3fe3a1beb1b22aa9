"""Convolutions whose kernels are made for each sampling rate from one bank of analog filters.

``geometry`` says where kernels lie (exact fractions), ``filters`` and ``neural`` are the banks, ``design`` turns a bank
into taps, ``conv`` is the layer, ``fit`` brings a neural bank close to an ordinary kernel. Only ``geometry`` is free of
torch.

Sources: Saito et al., "Sampling-frequency-independent convolutional layer" (TASLP 2022, github.com/TomohikoNakamura/
sfi_convtasnet), and Imamura et al., "Neural analog filter" (APSIPA Trans. 2024).
"""
