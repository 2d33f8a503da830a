"""Why a request is refused before Intercom would see it. All by choice.

An Intercom that cannot be asked under a wrong name, or endlessly.
"""

from __future__ import annotations

from target_intercom.sandbox.errors import IntercomError


def misdirected() -> IntercomError:
    """Return 421: the sandbox was asked under a name that is not its own."""
    message = (
        "This sandbox is asked under localhost, or the address that it listens on: "
        "for another name start it with --allowed-hosts NAME"
    )
    return IntercomError(421, "misdirected_request", message)


def malformed_request(message: str, status: int = 400) -> IntercomError:
    """Return the refusal: what came is no HTTP request."""
    return IntercomError(status, "bad_request", message)


def length_required() -> IntercomError:
    """Return 411: the body's length is not known before it ends."""
    return IntercomError(411, "length_required", "The body's length must be given by Content-Length")


def body_too_large(most: int) -> IntercomError:
    """Return 413: the body is longer than any that Intercom could mean."""
    return IntercomError(413, "request_too_large", f"The request body may have {most:,} bytes at most")


def request_timeout() -> IntercomError:
    """Return 408: the body did not come in time."""
    return IntercomError(408, "request_timeout", "The request body did not come in time")
