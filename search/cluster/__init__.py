"""Ray: connection, resources, preflight, GPU sharing."""
