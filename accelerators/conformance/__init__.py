"""What a backend or a device has to keep to, as checks that its maker can run."""
