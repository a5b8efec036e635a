"""What a person reads: the verdict first, then all the evidence, in one file."""
