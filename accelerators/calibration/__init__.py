"""Fitting of device and host files to what was measured."""
