"""The least board that runs the whole firmware: it holds next to nothing of the heap itself."""
