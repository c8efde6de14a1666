"""The version of all packages of the distribution."""

__version__ = "0.1.0"
