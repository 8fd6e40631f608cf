"""What happens to a tensor or a frame that crosses a link."""

from pipeline.codecs.packing import PackedTensor, pack, unpack
from pipeline.codecs.protocol import Codec, Encoded
from pipeline.codecs.registry import codec

__all__ = ["Codec", "Encoded", "PackedTensor", "codec", "pack", "unpack"]
