"""Values of devices over hours and days: their shape, means in the cache, and Prometheus."""
