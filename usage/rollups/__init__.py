"""Hours, days and months whose usage is summed once: how they are made, and read instead of the allocations."""
