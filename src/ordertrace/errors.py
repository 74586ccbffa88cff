"""The kinds of error that ordertrace raises itself.

    OrdertraceError
    ├── Invalid        the caller's input is wrong            (400, INVALID_ARGUMENT)
    │   └── TooLarge   it is larger than a limit allows       (413, RESOURCE_EXHAUSTED)
    ├── NotFound       no such thing                          (404)
    ├── Forbidden      known, but not allowed                 (403)
    ├── Overloaded     a bound is reached, try again later    (429, RESOURCE_EXHAUSTED)
    ├── Unavailable    a part we need does not work now       (503, UNAVAILABLE)
    └── Internal       our own mistake                        (500, INTERNAL)

A message says what happened, with which value, and what to do; it never carries a secret, a payload or
text of the engine as it came. Each edge (gRPC, HTTP, command line) has one table from kind to status.
"""

from __future__ import annotations


class OrdertraceError(Exception):
    """Base of all errors raised on purpose; `str()` of it is fit for users."""


class Invalid(OrdertraceError):
    """The input is malformed or contradicts itself; sending it again does not help."""


class TooLarge(Invalid):
    """The input is larger than a configured limit."""


class NotFound(OrdertraceError):
    """The thing asked for does not exist."""


class Forbidden(OrdertraceError):
    """The caller may not do this."""


class Overloaded(OrdertraceError):
    """A bounded queue is full; `retry_after_seconds` says when to come again."""

    def __init__(self, message: str, retry_after_seconds: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(OrdertraceError):
    """A part that is needed (store, disk, broker) does not work at the moment."""


class Internal(OrdertraceError):
    """Something that must not happen did."""
