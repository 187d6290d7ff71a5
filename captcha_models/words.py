"""Numbers as a person reads them: one trial, two trials, 98.8 %."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and its noun: `1 trial`, `2,000 trials`; the plural with an `s` if none is given."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def percent(share: float, digits: int = 1) -> str:
    """A share of 1 as per cent: `98.8 %`, with so many digits after the point."""
    return f"{100 * share:.{digits}f} %"
