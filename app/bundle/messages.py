"""Protobuf messages of which only a few fields matter: protobuf is told of these, and skips the others."""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Of each message the fields that are read: number, whether there are many, and type ("bytes", "int32" or a message).
Fields = Mapping[str, Mapping[str, tuple[int, bool, str]]]


def message_class(package: str, fields: Fields, name: str) -> Any:
    """The class of the message ``name``, in a pool of its own: whoever else knows the format may be loaded too."""
    field_types = descriptor_pb2.FieldDescriptorProto
    scalars = {"bytes": field_types.TYPE_BYTES, "int32": field_types.TYPE_INT32}
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for message, fields_of_message in fields.items():
        described = file.message_type.add(name=message)
        for field_name, (number, is_many, kind) in fields_of_message.items():
            field = described.field.add(name=field_name, number=number)
            field.label = field_types.LABEL_REPEATED if is_many else field_types.LABEL_OPTIONAL
            field.type = scalars.get(kind, field_types.TYPE_MESSAGE)
            if kind not in scalars:
                field.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
