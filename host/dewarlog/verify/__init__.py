"""What is proved of a log, by which key, and what is not: `dewarlog verify`."""
