"""The bus between two devices of one site; nothing is published for the pairs that ship."""

BUS_BYTES_PER_MS = 12_000_000
"""Assumed: payload of PCIe Gen4 x8, as `furiosa-warboy.toml` has it."""

BUS_NS = 10_000
"""Assumed: set-up of one transfer, as `furiosa-warboy.toml` has it."""
