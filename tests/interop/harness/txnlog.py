"""A reader of transaction log files, written from the format's description alone.

It is the tests' third opinion, beside the two programs' own readers.
"""
import collections
import struct
import zlib

MAGIC = b"ZKLG"
HEADER_SIZE = 16
RECORD = struct.Struct(">qi")           # Adler-32 of the payload, payload length
TXN = struct.Struct(">qiqqi")           # session, cxid, zxid, time, type

Record = collections.namedtuple("Record", "offset zxid session cxid type payload")


def read_log(path):
    """The records of a file, up to its zero padding or its end. Asserts what must hold of them."""
    data = path.read_bytes()
    assert data[:4] == MAGIC and data[4:8] == b"\x00\x00\x00\x02", "%s: bad header" % path
    records, at = [], HEADER_SIZE
    while at + RECORD.size <= len(data):
        checksum, length = RECORD.unpack_from(data, at)
        if length == 0:
            break
        payload = data[at + RECORD.size:at + RECORD.size + length]
        end = at + RECORD.size + length
        if len(payload) < length or data[end:end + 1] != b"B":
            break                       # being written, or torn
        assert zlib.adler32(payload) == checksum, "%s at %d: bad checksum" % (path, at)
        session, cxid, zxid, _, kind = TXN.unpack_from(payload)
        records.append(Record(at, zxid, session, cxid, kind, payload))
        at = end + 1
    return records


def last_logged(server):
    """The highest zxid in a server's log files, 0 when there is none."""
    highest = 0
    for path in server.log_files():
        if path.stat().st_size > HEADER_SIZE:
            highest = max([highest] + [record.zxid for record in read_log(path)])
    return highest
