"""The write verbs of billing, by noun."""
