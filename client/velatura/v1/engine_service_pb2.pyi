from velatura.v1 import catalog_pb2 as _catalog_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetCatalogRequest(_message.Message):
    __slots__ = ("etag",)
    ETAG_FIELD_NUMBER: _ClassVar[int]
    etag: str
    def __init__(self, etag: _Optional[str] = ...) -> None: ...

class GetCatalogResponse(_message.Message):
    __slots__ = ("catalog",)
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    catalog: _catalog_pb2.Catalog
    def __init__(self, catalog: _Optional[_Union[_catalog_pb2.Catalog, _Mapping]] = ...) -> None: ...

class GetCapabilitiesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetCapabilitiesResponse(_message.Message):
    __slots__ = ("capabilities",)
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    capabilities: _catalog_pb2.Capabilities
    def __init__(self, capabilities: _Optional[_Union[_catalog_pb2.Capabilities, _Mapping]] = ...) -> None: ...

class WatchEngineRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class WatchEngineResponse(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: _catalog_pb2.EngineStatus
    def __init__(self, status: _Optional[_Union[_catalog_pb2.EngineStatus, _Mapping]] = ...) -> None: ...

class RescanModelsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RescanModelsResponse(_message.Message):
    __slots__ = ("catalog",)
    CATALOG_FIELD_NUMBER: _ClassVar[int]
    catalog: _catalog_pb2.Catalog
    def __init__(self, catalog: _Optional[_Union[_catalog_pb2.Catalog, _Mapping]] = ...) -> None: ...
