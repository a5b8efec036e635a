"""Puts the firmware on a board by its prompt: source, byte code, plan, upload, running logger."""
