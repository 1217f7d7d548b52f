from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and through which interface: an operator, a token's client, a node's agent or the system.

    `bulk` is the number of the bulk action that it is a part of.
    """

    name: str
    protocol: str = ""
    ip_address: str = ""
    bulk: int | None = None

    @property
    def referer(self) -> dict[str, str]:
        """Return the interface and the address of the actor."""
        return {"protocol": self.protocol, "ipAddress": self.ip_address}


SYSTEM = Actor("system", "internal")
