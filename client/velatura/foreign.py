"""The three messages of others that travel on the wire: google.rpc.Status, its Any, and the gRPC health check.

They live in a pool of their own: registering them in protobuf's default pool would clash with a host that has
googleapis-common-protos or grpcio-health-checking loaded.
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from grpclib.const import Status
from grpclib.encoding.base import StatusDetailsCodecBase

from .v1 import errors_pb2

_Field = descriptor_pb2.FieldDescriptorProto
_ERROR_URL = "type.googleapis.com/velatura.v1.Error"
SERVING = 1


def _build() -> dict[str, Any]:
    shapes = {
        "Any": [("type_url", 1, _Field.TYPE_STRING), ("value", 2, _Field.TYPE_BYTES)],
        "Status": [("code", 1, _Field.TYPE_INT32), ("message", 2, _Field.TYPE_STRING)],
        "HealthCheckRequest": [("service", 1, _Field.TYPE_STRING)],
        "HealthCheckResponse": [("status", 1, _Field.TYPE_INT32)],
    }
    file = descriptor_pb2.FileDescriptorProto(name="velatura/foreign.proto", package="velatura.foreign")
    file.syntax = "proto3"
    for name, fields in shapes.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            message.field.add(name=field, number=number, type=kind, label=_Field.LABEL_OPTIONAL)
    file.message_type[1].field.add(
        name="details",
        number=3,
        type=_Field.TYPE_MESSAGE,
        type_name=".velatura.foreign.Any",
        label=_Field.LABEL_REPEATED,
    )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"velatura.foreign.{name}")) for name in shapes
    }


_MESSAGES = _build()
RpcStatus = _MESSAGES["Status"]
HealthCheckRequest = _MESSAGES["HealthCheckRequest"]
HealthCheckResponse = _MESSAGES["HealthCheckResponse"]


class ErrorCodec(StatusDetailsCodecBase):
    """Carries a velatura.v1.Error in a status's details. Other details are skipped."""

    def encode(self, status: Status, message: str | None, details: errors_pb2.Error) -> bytes:
        """The trailer's bytes for an error."""
        answer = RpcStatus(code=status.value, message=message or "")
        answer.details.add(type_url=_ERROR_URL, value=details.SerializeToString())
        return answer.SerializeToString()

    def decode(self, status: Status, message: str | None, data: bytes) -> errors_pb2.Error | None:
        """The error in a trailer, or None where there is none or it cannot be read."""
        try:
            for detail in RpcStatus.FromString(data).details:
                if detail.type_url.rpartition("/")[2] == "velatura.v1.Error":
                    return errors_pb2.Error.FromString(detail.value)
        except DecodeError:
            pass
        return None
