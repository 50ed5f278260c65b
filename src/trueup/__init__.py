"""trueup keeps the facts that a PostgreSQL application stores more than once in agreement."""

__version__ = "0.1.0"
