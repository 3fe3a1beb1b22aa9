"""Recipes: what a training does, stage by stage, as data."""
