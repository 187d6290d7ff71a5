"""Tries of one call to object storage, whoever makes it, before it is an error."""

PATIENT = 10
"""The pauses between them, up to 20 s, come to about one and a half minutes."""
HURRIED = 5
"""Where the caller asks again by itself, or a person waits: a few seconds."""
