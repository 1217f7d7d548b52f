class SettingError(Exception):
    """A setting, an option or a secret cannot be used; the text names it and says what is expected."""


class TokenMissing(SettingError):
    """There is no token to call with."""

    def __init__(self) -> None:
        super().__init__("SDA token is not given.")
