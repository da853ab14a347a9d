"""Telling people that something fails, and that it works again: one module a way to reach them."""
