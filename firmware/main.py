"""Second file a board runs: start the logger. Ctrl-C leaves it and gives the REPL."""

from dewarlog_firmware import app

app.run()
