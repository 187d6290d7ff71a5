"""Report on a run: loaded leniently, computed, shown in a terminal or as one HTML file."""
