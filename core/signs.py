NOTHING = "–"  # noqa: RUF001 - the sign for "no value" on every page
