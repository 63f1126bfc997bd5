"""The version of this installation's software."""

VERSION = "0.1.0"
