"""Connectionist temporal classification: loss, alignment and decoding."""
