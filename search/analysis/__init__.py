"""What a run folder tells: read leniently, reckoned, written as one HTML file. No Ray, no torch."""
