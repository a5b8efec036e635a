"""Prepares a board: its profile, calibration, self-test, arming, and a view of it at work."""
