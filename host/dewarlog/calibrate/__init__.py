"""Compares the probes with an ice bath and boiling nitrogen, and keeps what comes of it."""
