"""Words that go with a number: one trial, two trials."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: `1 trial`, `2,000 trials`; the plural with an `s` if none is given."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
