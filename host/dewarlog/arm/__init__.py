"""Sends a logger on a trip, if the gate lets it."""
