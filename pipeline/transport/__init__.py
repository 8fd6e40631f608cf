"""How nodes talk: the wire protocol, and channels over ZeroMQ."""

from pipeline.transport.channels import Channel, Poller, Ready, Router, Sockets, Wakeup
from pipeline.transport.header import WIRE_VERSION, BufferInfo, Header, Kind, LinkStamp, Part
from pipeline.transport.wire import (
    Payload,
    Received,
    decode,
    decode_header,
    encode,
    encode_link_stamp,
)

__all__ = [
    "WIRE_VERSION",
    "BufferInfo",
    "Channel",
    "Header",
    "Kind",
    "LinkStamp",
    "Part",
    "Payload",
    "Poller",
    "Ready",
    "Received",
    "Router",
    "Sockets",
    "Wakeup",
    "decode",
    "decode_header",
    "encode",
    "encode_link_stamp",
]
