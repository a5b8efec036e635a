"""Pull, keep, check and explain the logs of dewarlog temperature loggers.

The host's line, each part reading only from its left:
link -> pull -> archive -> parse -> readings -> checks -> report.
"""

__version__ = "0.1.0"
