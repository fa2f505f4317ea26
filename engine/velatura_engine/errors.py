"""What can go wrong, whose it is, and what to try.

Every error that leaves the engine is one of these; `server/status.py` turns them into gRPC statuses in one table.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VelaturaError(Exception):
    """An error an artist can act on. `message` says what happened, `remedy` what to do, `field` where."""

    reason = "BROKEN"
    default_remedy = ""

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        remedy: str = "",
        reason: str = "",
        suggestions: Iterable[str] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.remedy = remedy or self.default_remedy
        self.reason = reason or type(self).reason
        self.suggestions = tuple(suggestions)
        self.retry_after = retry_after

    def __reduce__(self):
        # Errors cross the pipe between worker and front; keyword arguments need help to be pickled.
        return _rebuild, (type(self), self.message, self.__getstate__())

    def __getstate__(self) -> dict:
        return {name: getattr(self, name) for name in ("field", "remedy", "reason", "suggestions", "retry_after")}


def _rebuild(kind: type[VelaturaError], message: str, state: dict) -> VelaturaError:
    error = kind.__new__(kind)
    VelaturaError.__init__(error, message, **state)
    return error


class Invalid(VelaturaError):
    """A field is wrong: the caller mends it."""

    reason = "INVALID_FIELD"

    def __init__(self, field: str, why: str, *, remedy: str = "", reason: str = "") -> None:
        super().__init__(f"{field}: {why}", field=field, remedy=remedy, reason=reason)


class NotFound(VelaturaError):
    """A named thing is not here: choose or install another."""

    reason = "UNKNOWN_NAME"
    default_remedy = "see what there is with: velatura list"

    def __init__(
        self,
        what: str,
        name: str,
        *,
        known: Iterable[str] = (),
        field: str = "",
        remedy: str = "",
        reason: str = "",
    ) -> None:
        known = sorted(known)
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
        offer = near or known[:8]
        if offer:
            remedy = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(offer)}"
        super().__init__(f"unknown {what} {name!r}", field=field, remedy=remedy, reason=reason, suggestions=offer)


class Unsupported(VelaturaError):
    """This pairing cannot be done; `remedy` names what can."""

    reason = "UNSUPPORTED"


class OutOfMemory(VelaturaError):
    """It does not fit; `remedy` says what would."""

    reason = "OUT_OF_MEMORY"
    default_remedy = "ask for a smaller picture or fewer pictures at once"


class Cancelled(VelaturaError):
    """Somebody asked to stop."""

    reason = "CANCELLED"


class TimedOut(VelaturaError):
    """It took longer than allowed."""

    reason = "TIME_LIMIT"
    default_remedy = "ask for fewer steps or a smaller picture, or allow more time"


class Busy(VelaturaError):
    """Too much to do; try again after `retry_after` seconds."""

    reason = "QUEUE_FULL"
    default_remedy = "wait for a running job to end, then try again"


class Unauthenticated(VelaturaError):
    """The token is missing or wrong."""

    reason = "BAD_TOKEN"
    default_remedy = "give the token from the engine's token file"


class Broken(VelaturaError):
    """Ours: report it with the log."""

    default_remedy = "please report this with the engine's log"


class WorkerLost(Broken):
    """The painting process died under this job; the engine has already started another."""

    reason = "WORKER_LOST"
    default_remedy = "try again; if it happens again, ask for a smaller picture and report it with the engine's log"
