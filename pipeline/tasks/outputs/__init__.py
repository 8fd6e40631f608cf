"""Decoders of networks' outputs, and the results they give."""

from pipeline.tasks.outputs.protocol import Boxes, MaskSet, OutputDecoder, Result
from pipeline.tasks.outputs.registry import output_decoder

__all__ = ["Boxes", "MaskSet", "OutputDecoder", "Result", "output_decoder"]
