"""The report on a run: loaded leniently, computed, drawn as one HTML file. No Ray, no torch."""
