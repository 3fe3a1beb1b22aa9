"""Semantic distortion (section 3.3 of the paper): what of HuBERT's frames one codebook layer cannot express."""
