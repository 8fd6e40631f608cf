"""The link between sites: one model for virtual runs, the live relay and the planner."""

from pipeline.link.model import LinkChannel, LinkConfig, Passage, message_bytes

__all__ = ["LinkChannel", "LinkConfig", "Passage", "message_bytes"]
