"""Accuracy of results against labels or a reference, in its own time and in the world's."""
