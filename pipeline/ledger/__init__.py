"""The ledger: one row per offered frame and path, and nothing lost."""

from pipeline.ledger.fates import FATES, Fate
from pipeline.ledger.rows import Delivery, Row
from pipeline.ledger.sealing import Ledger, seal
from pipeline.ledger.spans import SPANS, durations_ns

__all__ = ["FATES", "SPANS", "Delivery", "Fate", "Ledger", "Row", "durations_ns", "seal"]
