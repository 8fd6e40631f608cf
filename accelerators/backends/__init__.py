"""Backends that run artefacts."""
