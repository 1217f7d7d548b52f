"""The health of devices: the table of findings, and the verdict that follows from them. No database here."""
