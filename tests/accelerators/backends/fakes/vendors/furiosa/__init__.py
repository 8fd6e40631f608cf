"""FuriosaAI's packages."""
