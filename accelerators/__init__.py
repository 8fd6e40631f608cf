"""What work costs on an accelerator, and the backends that do it; a leaf that imports no room."""
