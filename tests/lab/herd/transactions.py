"""Reads the transaction log of a ZooKeeper server: every change that the ensemble agreed on, in its order, with the leader's
clock and the session that made it. Nothing else keeps what ephemeral nodes were there and when.

The format is that of FileTxnLog and of the records in zookeeper.jute (ZooKeeper 3.8): a header `ZKLG`, version, database id;
then entries of checksum, length, TxnHeader (session, cxid, zxid, time, type), the record of that type, perhaps a digest, and
`B`. Files are filled up with zeros.
"""

import struct
from collections import namedtuple

# kind: create, set, delete, or close (a session ended; path is None). session: the owner of an ephemeral node, else 0.
Operation = namedtuple("Operation", "zxid time kind path data session")

CREATE, DELETE, SET, CHECK, MULTI, CREATE2, CONTAINER, DELETE_CONTAINER, TTL = 1, 2, 5, 13, 14, 15, 19, 20, 21
CLOSE_SESSION, ERROR = -11, -1


class Reader:
    """Jute's binary encoding: big-endian numbers, texts and buffers with their length before them."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def number(self, form):
        size = struct.calcsize(form)
        (value,) = struct.unpack_from(form, self.data, self.at)
        self.at += size
        return value

    def int(self):
        return self.number(">i")

    def long(self):
        return self.number(">q")

    def bool(self):
        return self.number(">b") != 0

    def buffer(self):
        size = self.int()
        if size < 0:
            return b""
        taken = self.data[self.at : self.at + size]
        if len(taken) != size:
            raise ValueError("a record ends in the middle")
        self.at += size
        return taken

    def text(self):
        return self.buffer().decode()


def operations(record, kind, session, zxid, time):
    """The changes of one record; a multi has several, and none of them when one was refused."""
    if kind in (CREATE, CREATE2, CONTAINER, TTL):
        path, data = record.text(), record.buffer()
        for _ in range(max(record.int(), 0)):
            record.int(), record.text(), record.text()
        ephemeral = record.bool() if kind in (CREATE, CREATE2) else False
        yield Operation(zxid, time, "create", path, data.decode(errors="replace"), session if ephemeral else 0)
    elif kind in (DELETE, DELETE_CONTAINER):
        yield Operation(zxid, time, "delete", record.text(), None, 0)
    elif kind == SET:
        path, data = record.text(), record.buffer()
        yield Operation(zxid, time, "set", path, data.decode(errors="replace"), 0)
    elif kind == CLOSE_SESSION:
        yield Operation(zxid, time, "close", None, None, session)
    elif kind == MULTI:
        parts = [(record.int(), record.buffer()) for _ in range(record.int())]
        if all(part != ERROR for part, _ in parts):
            for part, data in parts:
                yield from operations(Reader(data), part, session, zxid, time)


def of_file(data):
    """The operations of one log file."""
    reader = Reader(data)
    if data[:4] != b"ZKLG":
        raise ValueError("not a transaction log of ZooKeeper")
    reader.at = 16
    while reader.at + 12 <= len(data):
        checksum, entry = reader.long(), reader.buffer()
        if not checksum and not entry:
            return
        if reader.data[reader.at : reader.at + 1] != b"B":
            # The last entry of a server that was killed.
            return
        reader.at += 1
        header = Reader(entry)
        session, _, zxid, time, kind = header.long(), header.int(), header.long(), header.long(), header.int()
        yield from operations(header, kind, session, zxid, time)


def read(directory):
    """The operations of all log files of a server, each transaction once, in their order."""
    found = {}
    files = sorted(directory.glob("log.*"), key=lambda path: int(path.suffix[1:], 16))
    for path in files:
        here = {}
        for operation in of_file(path.read_bytes()):
            here.setdefault(operation.zxid, []).append(operation)
        found.update(here)
    return [operation for zxid in sorted(found) for operation in found[zxid]]
