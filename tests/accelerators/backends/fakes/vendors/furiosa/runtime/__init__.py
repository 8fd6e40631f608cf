"""The package of FuriosaAI's run-time; what is synchronous stands in `sync`."""

__version__ = "0.10.2"
