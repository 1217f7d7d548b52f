"""Public traces in the database: as finished history, or as the traffic of VM clients."""
