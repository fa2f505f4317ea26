"""Errors are sentences for artists and constants for programs."""

import pytest
from grpclib.const import Status
from velatura import errors, foreign
from velatura.v1 import errors_pb2

KINDS = [value for name, value in errors_pb2.ErrorKind.items() if value]


@pytest.mark.parametrize("kind", KINDS, ids=errors_pb2.ErrorKind.Name)
def test_every_kind_of_the_contract_has_its_exception(kind):
    error = errors_pb2.Error(
        kind=kind,
        reason="R",
        message="It is so",
        field="a.b",
        remedy="Do this.",
        suggestions=["x"],
        retry_after=2,
    )
    raised = errors.from_proto(error)
    assert type(raised).kind == kind
    assert (type(raised) is errors.Broken) == (kind == errors_pb2.ERROR_KIND_BROKEN)
    assert errors.to_proto(raised) == error


@pytest.mark.parametrize("status", [status for status in Status if status is not Status.OK])
def test_every_status_without_details_becomes_an_error_with_words(status):
    raised = errors.from_status(status, "Unexpected <class 'ValueError'>: Traceback", None)
    assert str(raised)
    if type(raised) in (errors.Broken, errors.Unreachable, errors.Busy, errors.Incompatible):
        assert "Traceback" not in str(raised)
        assert "Traceback" in raised.debug


def test_the_engines_own_words_win_over_the_status():
    detail = errors_pb2.Error(kind=errors_pb2.ERROR_KIND_OUT_OF_MEMORY, message="It does not fit")
    assert isinstance(errors.from_status(Status.RESOURCE_EXHAUSTED, "x", detail), errors.OutOfMemory)


def test_sentences_read_well():
    error = errors.Invalid("steps[0].diffuse.strength: must be 0 to 1, got 1.4", field="steps[0].diffuse.strength")
    assert str(error) == "Strength: must be 0 to 1, got 1.4."
    for part in ("prompt.text", "init.image"):
        field = f"steps[0].diffuse.{part}"
        assert str(errors.Invalid(f"{field}: is empty", field=field)) == f"{part.split('.')[0].title()}: is empty."
    assert (
        str(errors.NotFound("unknown model 'x'", suggestions=["y", "z"])) == "Unknown model 'x'. Did you mean y or z?"
    )
    assert str(errors.NotFound("unknown model 'x'", remedy="did you mean y?", suggestions=["y"])).count("y?") == 1
    assert str(errors.Busy("")) == "Try again in a moment."


def test_details_that_are_no_error_of_ours_are_skipped():
    status = foreign.RpcStatus(code=3)
    status.details.add(type_url="type.googleapis.com/google.rpc.BadRequest", value=b"\xff")
    status.details.add(type_url="type.googleapis.com/velatura.v1.Error", value=b"\x1a\x02ab")
    codec = foreign.ErrorCodec()
    assert codec.decode(Status.INVALID_ARGUMENT, "", status.SerializeToString()).message == "ab"
    assert codec.decode(Status.INVALID_ARGUMENT, "", b"\xff\xff") is None
