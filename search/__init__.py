"""How we look: settings, trials on Ray, records, and what they say."""
