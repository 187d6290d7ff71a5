"""Labelled images: sources, splits, loaders, augmentation, character-level CutMix."""
