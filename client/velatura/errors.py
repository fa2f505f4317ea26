"""What can go wrong, whose it is and what to try.

Invalid          a field is wrong: mend it
NotFound         a thing is not here: choose or install another
Unsupported      this pairing cannot be done
OutOfMemory      it does not fit: ask for less
Cancelled        somebody asked to stop
Busy             too much to do: try again later
Broken           the engine's own fault: report it with the log
Unauthenticated  the token is missing or wrong
Timeout          it took too long
Unreachable      no engine answers there
Incompatible     engine and client do not speak the same version
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from grpclib.const import Status

from .v1 import errors_pb2 as pb


class VelaturaError(Exception):
    """Anything that went wrong. `str()` is for the artist; `debug` is for a log or a report, never for the screen.

    `field` is the path of a wrong field, such as "steps[0].diffuse.strength"; `reason` a constant for programs;
    `suggestions` near matches of an unknown name, best first; `retry_after` seconds, or None.
    """

    kind: ClassVar[pb.ErrorKind] = pb.ERROR_KIND_BROKEN
    default_remedy: ClassVar[str] = ""

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        remedy: str = "",
        suggestions: Iterable[str] = (),
        reason: str = "",
        retry_after: float | None = None,
        debug: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.remedy = remedy or self.default_remedy
        self.suggestions = tuple(suggestions)
        self.reason = reason
        self.retry_after = retry_after
        self.debug = debug

    def __str__(self) -> str:
        # What a thing is made of is not what the artist calls it: `init.image` is the init.
        name = next((part for part in reversed(self.field.split(".")) if part not in ("text", "image")), "")
        words = self.message.removeprefix(self.field + ": ") if self.field else self.message
        said = name.replace("_", " ") in words.replace("_", " ")
        parts = [words if said else f"{name}: {words}"]
        if self.suggestions and not any(word in self.message + self.remedy for word in self.suggestions):
            parts.append("Did you mean " + " or ".join(self.suggestions[:3]) + "?")
        parts.append(self.remedy)
        return " ".join(_sentence(part.strip()) for part in parts if part.strip())


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?…)" else ".")


class Invalid(VelaturaError):
    """A field is wrong: mend it."""

    kind = pb.ERROR_KIND_INVALID


class NotFound(VelaturaError):
    """A thing is not here: choose or install another."""

    kind = pb.ERROR_KIND_NOT_FOUND


class Unsupported(VelaturaError):
    """This pairing cannot be done."""

    kind = pb.ERROR_KIND_UNSUPPORTED


class OutOfMemory(VelaturaError):
    """It does not fit into memory."""

    kind = pb.ERROR_KIND_OUT_OF_MEMORY
    default_remedy = "Try a smaller picture or fewer pictures at once."


class Cancelled(VelaturaError):
    """Somebody asked to stop."""

    kind = pb.ERROR_KIND_CANCELLED


class Busy(VelaturaError):
    """Too much to do at the moment."""

    kind = pb.ERROR_KIND_BUSY
    default_remedy = "Try again in a moment."


class Broken(VelaturaError):
    """The engine's own fault."""

    kind = pb.ERROR_KIND_BROKEN
    default_remedy = "Please report it with the engine's log."


class Unauthenticated(VelaturaError):
    """The token is missing or wrong."""

    kind = pb.ERROR_KIND_UNAUTHENTICATED
    default_remedy = "Check the engine's token in the settings."


class Timeout(VelaturaError):
    """It took too long."""

    kind = pb.ERROR_KIND_TIMEOUT
    default_remedy = "Try again, or allow more time."


class Unreachable(VelaturaError):
    """No engine answers there. Only the client can tell, so there is no kind for it in the contract."""

    default_remedy = "Start the engine, or check its address."


class Incompatible(VelaturaError):
    """Engine and client do not speak the same version. Only the client can tell."""

    default_remedy = "Update the engine and the plug-in to the same version."


_BY_KIND: dict[pb.ErrorKind, type[VelaturaError]] = {
    cls.kind: cls
    for cls in (Invalid, NotFound, Unsupported, OutOfMemory, Cancelled, Busy, Broken, Unauthenticated, Timeout)
}

# Only where the engine sent no velatura.v1.Error: (class, what to say instead of the transport's own words).
_BY_STATUS: dict[Status, tuple[type[VelaturaError], str]] = {
    Status.CANCELLED: (Cancelled, "The job was stopped"),
    Status.INVALID_ARGUMENT: (Invalid, ""),
    Status.OUT_OF_RANGE: (Invalid, ""),
    Status.DEADLINE_EXCEEDED: (Timeout, "The engine did not finish in time"),
    Status.NOT_FOUND: (NotFound, ""),
    Status.ALREADY_EXISTS: (Invalid, ""),
    Status.PERMISSION_DENIED: (Unauthenticated, "The engine does not allow this"),
    Status.UNAUTHENTICATED: (Unauthenticated, "The engine does not accept the token"),
    Status.RESOURCE_EXHAUSTED: (Busy, "The engine has too much to do"),
    Status.FAILED_PRECONDITION: (Unsupported, ""),
    Status.UNIMPLEMENTED: (Incompatible, "The engine does not know this request"),
    Status.UNAVAILABLE: (Unreachable, "The engine is not available"),
}


def from_proto(error: pb.Error) -> VelaturaError:
    """The exception for an error in the contract's words."""
    cls = _BY_KIND.get(error.kind, Broken)
    return cls(
        error.message or "The engine failed without saying why",
        field=error.field,
        remedy=error.remedy,
        suggestions=error.suggestions,
        reason=error.reason,
        retry_after=error.retry_after if error.HasField("retry_after") else None,
    )


def to_proto(error: VelaturaError) -> pb.Error:
    """The contract's words for an exception; the opposite of `from_proto`."""
    return pb.Error(
        kind=error.kind,
        reason=error.reason,
        message=error.message,
        field=error.field,
        remedy=error.remedy,
        suggestions=error.suggestions,
        retry_after=error.retry_after,
    )


def from_status(status: Status, message: str | None, detail: pb.Error | None) -> VelaturaError:
    """The exception for a gRPC status; `detail` is the velatura.v1.Error that travelled with it, if one did."""
    if detail is not None:
        return from_proto(detail)
    cls, words = _BY_STATUS.get(status, (Broken, "The engine had an internal error"))
    return cls(words or message or "The engine refused the request", reason=status.name, debug=message or "")
