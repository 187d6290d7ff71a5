"""Inspection of labelled images before anything is trained on them."""
