from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and through which door: an operator, a token's client, a node's agent or the system."""

    name: str
    protocol: str = ""
    ip_address: str = ""

    @property
    def referer(self) -> dict[str, str]:
        return {"protocol": self.protocol, "ipAddress": self.ip_address}


SYSTEM = Actor("system", "internal")
