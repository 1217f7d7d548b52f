"""A keeper reads on whatever becomes of its disk, and shows no part of a secret where it leaves something out."""

import errno
import os
from io import FileIO
from pathlib import Path

import pytest

from clients import segments as module
from clients.keeper import HELD, Keeper, WriteBudget
from clients.segments import SegmentWriter, read_output
from protocol.cuts import rest_of_word

SECRET = b"aB3" + b"x7Q_" * 10


class Disk:
    """A disk with room for so many more bytes and files."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files = self.bytes = 1 << 30
        disk = self

        class FullFile(FileIO):
            def __init__(self, path: Path, mode: str) -> None:
                if not path.exists() and not disk.files:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                super().__init__(path, mode)

            def write(self, data: object) -> int:
                part = memoryview(data)[: disk.bytes]  # type: ignore[arg-type]
                if not part:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                disk.bytes -= len(part)
                return int(super().write(part))

        monkeypatch.setattr(module, "FileIO", FullFile)


def kept(folder: Path) -> bytes:
    output = read_output(folder, 0, 1 << 24)
    return output.data if output else b""


def note(count: int) -> bytes:
    return b"\n[moreh-agent: %d bytes are left out here]\n" % count


def test_a_disk_without_room_for_another_file_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    writer = SegmentWriter(tmp_path, 8 * 100)
    keeper = Keeper(writer, WriteBudget(1e9))
    disk.files = 0
    keeper.receive(b"never opened\n")
    disk.files = 1 << 30
    keeper.receive(b"x" * 56 + b"\n")
    disk.files = 0
    keeper.receive(b"lost\n")
    keeper.receive(b"held\n")
    assert kept(tmp_path) == note(13) + b"x" * 56 + b"\n"
    disk.files = 1 << 30
    keeper.receive(b"and on\n")
    keeper.release(at_end=True)
    writer.close()
    assert kept(tmp_path) == note(13) + b"x" * 56 + b"\n" + note(5) + b"held\nand on\n"


def test_what_a_full_disk_did_not_take_is_counted_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    writer = SegmentWriter(tmp_path, 1 << 20)
    keeper = Keeper(writer, WriteBudget(1e9))
    disk.bytes = 10
    keeper.receive(b"use " + SECRET + b"\n")  # six bytes of it are written
    disk.bytes = 0
    keeper.receive(b"first\n")
    disk.bytes = 1 << 20
    keeper.receive(b"second\n")
    writer.close()
    assert kept(tmp_path) == b"use aB3x7Q" + note(38) + b"first\nsecond\n"


def test_the_rest_of_a_word_goes_with_what_is_left_out(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 1 << 24)
    keeper = Keeper(writer, WriteBudget(1000))
    keeper.receive(b"a" * 4000)
    end = SECRET[1:] + b" end\n"
    keeper.receive(b"b " * 50_000 + SECRET[:1] + end + b"y" * (HELD - len(end)))
    keeper.release(at_end=True)
    writer.close()
    assert kept(tmp_path) == b"a" * 4000 + note(100_001 + 43) + b"end\n" + b"y" * (HELD - len(end))


def test_a_word_without_an_end_is_left_out_to_its_end(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path, 1 << 24)
    keeper = Keeper(writer, WriteBudget(1000))
    keeper.receive(b"a" * 4000)
    keeper.receive(b"b" * (HELD + 10))
    keeper.release()
    assert kept(tmp_path) == b"a" * 4000
    keeper.receive(b"bb done\n")
    keeper.release(at_end=True)
    writer.close()
    assert kept(tmp_path) == b"a" * 4000 + note(HELD + 13) + b"done\n"


@pytest.mark.parametrize(
    ("data", "rest"),
    [
        (b"", 0),
        (b"word and more", 5),
        (b"\nnext line", 1),
        (b"  value more", 8),
        (b"word", 4),
        (b"b" * 2000 + b'","k":1}', 2000),
        (b'"' + b"b" * 2000, 0),
    ],
)
def test_the_rest_of_a_word(data: bytes, rest: int) -> None:
    assert rest_of_word(data) == rest
