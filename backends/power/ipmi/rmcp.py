"""The layout of RMCP+ packets (IPMI 2.0 rev. 1.1, chapter 13): only bytes, no sockets."""

import hmac
import os
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from backends.power.errors import BadPacket

RMCP = b"\x06\x00\xff\x07"
BMC, CONSOLE = 0x20, 0x81
IPMI, OPEN, OPENED, RAKP1, RAKP2, RAKP3, RAKP4 = 0x00, 0x10, 0x11, 0x12, 0x13, 0x14, 0x15
ENCRYPTED, AUTHENTICATED = 0x80, 0x40


@dataclass(frozen=True, slots=True)
class Suite:
    """A cipher suite (table 22-20): its algorithms, its hash, and how many bytes of a hash sign a packet."""

    number: int
    algorithms: tuple[int, int, int]
    digest: str = ""
    signature: int = 0


SUITE_0 = Suite(0, (0, 0, 0))
SUITE_3 = Suite(3, (1, 1, 1), "sha1", 12)
SUITE_17 = Suite(17, (3, 4, 1), "sha256", 16)


def suite_proposal(suite: Suite) -> bytes:
    """Return the three algorithm payloads of an open-session message (table 13-9)."""
    return b"".join(struct.pack("<BxxBBxxx", kind, 8, number) for kind, number in enumerate(suite.algorithms))


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one session (13.31, 13.32), derived from the password and the random numbers of both sides."""

    suite: Suite
    sik: bytes
    k1: bytes
    aes: bytes

    @classmethod
    def of(cls, suite: Suite, password: bytes, challenge: bytes) -> "Keys":
        """Return the keys; `challenge` holds the random numbers, the role and the user name."""
        sik = hmac.digest(password, challenge, suite.digest)
        aes = hmac.digest(sik, b"\x02" * 20, suite.digest)[:16]
        return cls(suite, sik, hmac.digest(sik, b"\x01" * 20, suite.digest), aes)


@dataclass(frozen=True, slots=True)
class Packet:
    """A parsed RMCP+ packet (table 13-8); `raw` is the whole packet, to check its signature."""

    kind: int
    sealed: bool
    session: int
    sequence: int
    payload: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """An IPMI message (13.8): a request, or a response whose data begins with a completion code."""

    netfn: int
    command: int
    sequence: int
    data: bytes


def checksum(data: bytes) -> int:
    """Return the byte that makes the sum of the bytes 0 (modulo 256)."""
    return -sum(data) & 0xFF


def request(netfn: int, command: int, sequence: int, data: bytes = b"") -> bytes:
    """Build a request from the console to the BMC."""
    return _message(BMC, CONSOLE, Message(netfn, command, sequence, data))


def response(to: Message, code: int, data: bytes = b"") -> bytes:
    """Build the response to a request: a completion code and data."""
    return _message(CONSOLE, BMC, Message(to.netfn | 1, to.command, to.sequence, bytes([code]) + data))


def _message(to: int, sender: int, message: Message) -> bytes:
    head = bytes([to, message.netfn << 2])
    body = bytes([sender, message.sequence << 2, message.command]) + message.data
    return head + bytes([checksum(head)]) + body + bytes([checksum(body)])


def parse_message(data: bytes) -> Message:
    """Parse an IPMI message; raises BadPacket if it is too short or a checksum is wrong."""
    if len(data) < 7 or checksum(data[:3]) or checksum(data[3:]):
        raise BadPacket("damaged IPMI message")
    return Message(data[1] >> 2, data[5], data[4] >> 2, data[6:-1])


def legacy(message: bytes) -> bytes:
    """Wrap a message that needs no session in the IPMI 1.5 header (13.6)."""
    return RMCP + bytes(9) + bytes([len(message)]) + message


def plain(kind: int, payload: bytes, session: int = 0, sequence: int = 0) -> bytes:
    """Wrap a payload without encryption and signature, for the packets of a login and for suite 0."""
    return RMCP + struct.pack("<BBIIH", 6, kind, session, sequence, len(payload)) + payload


def seal(keys: Keys, session: int, sequence: int, message: bytes) -> bytes:
    """Encrypt (13.29) and sign (13.28.4) an IPMI message for a session."""
    padding = -(len(message) + 1) % 16
    message += bytes(range(1, padding + 1)) + bytes([padding])
    iv = os.urandom(16)
    payload = iv + Cipher(algorithms.AES(keys.aes), modes.CBC(iv)).encryptor().update(message)
    body = plain(IPMI | ENCRYPTED | AUTHENTICATED, payload, session, sequence)[4:]
    padding = -(len(body) + 2) % 4
    body += b"\xff" * padding + bytes([padding, 7])
    return RMCP + body + hmac.digest(keys.k1, body, keys.suite.digest)[: keys.suite.signature]


def parse(data: bytes) -> Packet:
    """Parse an IPMI 2.0 packet; raises BadPacket."""
    if len(data) < 16 or data[:1] != RMCP[:1] or data[3] != 7 or data[4] != 6:
        raise BadPacket("no RMCP+ packet")
    kind, session, sequence, length = struct.unpack_from("<BIIH", data, 5)
    if len(data) < 16 + length:
        raise BadPacket("short RMCP+ packet")
    sealed = kind & (ENCRYPTED | AUTHENTICATED) == ENCRYPTED | AUTHENTICATED
    return Packet(kind & 0x3F, sealed, session, sequence, data[16 : 16 + length], data)


def unseal(keys: Keys, packet: Packet) -> bytes:
    """Check a packet's signature and decrypt its message; raises BadPacket."""
    body, signature = packet.raw[4 : -keys.suite.signature], packet.raw[-keys.suite.signature :]
    expected = hmac.digest(keys.k1, body, keys.suite.digest)[: keys.suite.signature]
    if not packet.sealed or not hmac.compare_digest(signature, expected):
        raise BadPacket("wrong signature")
    if len(packet.payload) < 32 or len(packet.payload) % 16:
        raise BadPacket("no AES blocks")
    iv, blocks = packet.payload[:16], packet.payload[16:]
    message = Cipher(algorithms.AES(keys.aes), modes.CBC(iv)).decryptor().update(blocks)
    return message[: -1 - message[-1]]
