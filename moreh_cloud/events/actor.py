from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and through which door: an operator, a token's client, a node's agent or the system.

    `bulk` is the number of the bulk action that it is a part of.
    """

    name: str
    protocol: str = ""
    ip_address: str = ""
    bulk: int | None = None

    @property
    def referer(self) -> dict[str, str]:
        return {"protocol": self.protocol, "ipAddress": self.ip_address}


SYSTEM = Actor("system", "internal")
