"""Files that say how a link varied, read into traces; open to entry points."""

from pipeline.link.formats.protocol import TraceFormat, line_error
from pipeline.link.formats.registry import format_for, installed

__all__ = ["TraceFormat", "format_for", "installed", "line_error"]
