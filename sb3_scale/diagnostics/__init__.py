"""Diagnostics of a training, as callbacks that change nothing in it."""
