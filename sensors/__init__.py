"""What was seen and when: frames, streams and the readers of recordings."""
