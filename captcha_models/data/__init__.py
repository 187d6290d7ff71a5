"""Labelled images: where they come from, how they are split, loaded, augmented and recombined."""
