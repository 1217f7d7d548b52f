"""Named reads of billing, by noun."""
