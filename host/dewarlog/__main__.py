"""`python -m dewarlog`."""

from dewarlog.cli import main

if __name__ == "__main__":
    main()
