"""SFI-SSL: one self-supervised model for every sampling rate."""
