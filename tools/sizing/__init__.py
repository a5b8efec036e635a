"""What the firmware takes of a board: flash, RAM, heap; run by tools/size, held by a test."""
