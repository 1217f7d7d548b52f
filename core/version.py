"""The version of the product; clients are released together with the server."""

VERSION = "0.1.0"
