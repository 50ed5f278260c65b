"""How many requests a person or an address may make.

Each process counts for itself, in memory: this keeps one client from taking all threads.
Attempts to sign in are counted in the database, for all processes (trueup.console_attempt).
"""

from __future__ import annotations

from flask import current_app
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

limiter = Limiter(
    get_remote_address,
    default_limits=[lambda: current_app.config["TRUEUP_WEB"].rate],
    storage_uri="memory://",
    headers_enabled=False,
)
