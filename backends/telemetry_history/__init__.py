"""Values of devices over hours and days: their shape, the ring in the cache, and Prometheus."""
