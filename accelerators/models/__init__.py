"""Device models: what a segment costs on emulated silicon."""
