"""The link between sites: one model for virtual runs, the live relay and the planner."""

from pipeline.link.channel import LinkChannel, lead_ns
from pipeline.link.model import LinkConfig, LinkFault, Passage, message_bytes
from pipeline.link.pricing import LinkQuote
from pipeline.link.steps import Capacity, Steps
from pipeline.link.trace import Trace

__all__ = [
    "Capacity",
    "LinkChannel",
    "LinkConfig",
    "LinkFault",
    "LinkQuote",
    "Passage",
    "Steps",
    "Trace",
    "lead_ns",
    "message_bytes",
]
