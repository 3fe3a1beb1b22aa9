"""Layers and backbones that predictors share."""
