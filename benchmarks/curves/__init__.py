"""Recorded learning curves: trainings of random configurations, epoch by epoch.

    from benchmarks.curves import read_curves
    curves = read_curves("results/curves")

`python -m benchmarks.curves.record` makes them; `python -m benchmarks.search_replay` plays searches
against them.
"""

from benchmarks.curves.table import Curve, read_curves, read_spaces

__all__ = ["Curve", "read_curves", "read_spaces"]
