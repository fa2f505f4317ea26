"""Single fields of a job by their path, read from and set with words.

`steps`, `sampler`, `strength` and their like are short names; everything else is the path that the contract has:
`sampling.eta`, `sampling.knobs[s_churn]`, `controls[0].strength`, `adapters[rust].weight`, or from the job's root,
`steps[1].upscale.factor`. In brackets stands a number from 0, the key of a map, or the name by which an entry is told
(its `model`, `kind` or `id`).
"""

from __future__ import annotations

import math
import re
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Kind

from ..errors import Invalid, NotFound
from ..v1 import diffuse_pb2, jobs_pb2, knobs_pb2
from .near import near

SHORT = {
    "prompt": "prompt.text", "negative": "negative.text", "strength": "init.strength", "denoising": "init.strength",
    "cfg": "sampling.guidance", "scheduler": "sampling.schedule", "subseed": "variation.subseed",
    "fill": "inpaint.fill",
} | {
    name: f"sampling.{name}"
    for name in ("sampler", "schedule", "steps", "guidance", "guidance_rescale", "eta", "clip_skip", "cache_interval")
}  # fmt: skip

_PART = re.compile(r"([a-z][a-z0-9_]{0,63})(?:\[([^\[\]]{1,128})\])?")
_WHOLE = {
    Kind.CPPTYPE_INT32: (-(2**31), 2**31 - 1), Kind.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Kind.CPPTYPE_UINT32: (0, 2**32 - 1), Kind.CPPTYPE_UINT64: (0, 2**64 - 1),
}  # fmt: skip
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def painting(job: jobs_pb2.JobSpec, field: str = "steps") -> Any:
    """The first Diffuse of a job, to be changed in place. Raises Invalid where there is none."""
    for step in job.steps:
        if step.HasField("diffuse"):
            return step.diffuse
    raise Invalid("the job paints nothing", field=field, remedy="Give it a step that paints.")


def put(job: jobs_pb2.JobSpec, path: str, word: str, *, field: str = "axis") -> None:
    """Set what `path` names to the value that `word` says, in place. Raises Invalid or NotFound naming `field`."""
    root, path = _root(job, path, field)
    parts = _parts(path, field)
    message = root
    for number, (name, key) in enumerate(parts):
        descriptor = _descriptor(message, name, path, field)
        last = number == len(parts) - 1
        if _is_map(descriptor):
            if key is None or not last:
                raise Invalid(f"{path} needs a name in brackets, such as {name}[NAME]", field=field)
            _put_in_map(getattr(message, name), descriptor, key, word, path, field)
        elif _repeated(descriptor):
            message = _entry(getattr(message, name), name, key, path, field)
            if last:
                raise Invalid(f"{path} is a thing of many fields: name one of them", field=field)
        elif key is not None:
            raise Invalid(f"{name} is not a list, so {path} has no meaning", field=field)
        elif descriptor.message_type is not None:
            if last:
                raise _not_a_word(path, field)
            message = getattr(message, name)
            message.SetInParent()
        elif not last:
            raise Invalid(f"{name} has no fields, so {path} has no meaning", field=field)
        else:
            setattr(message, name, _read(descriptor, word, path, field))


def knob(word: str) -> knobs_pb2.KnobValue:
    """What a word says to a knob of unknown kind: a whole number, a number, yes or no, or the word itself."""
    if word in ("true", "false"):
        return knobs_pb2.KnobValue(flag=word == "true")
    if re.fullmatch(r"[+-]?[0-9]{1,18}", word, re.ASCII):
        return knobs_pb2.KnobValue(integer=int(word))
    try:
        number = float(word)
    except ValueError:
        return knobs_pb2.KnobValue(text=word)
    return knobs_pb2.KnobValue(number=number) if math.isfinite(number) else knobs_pb2.KnobValue(text=word)


def full(path: str) -> str:
    """The path that a short name stands for; others as they are."""
    return SHORT.get(path, path)


def is_known(name: str) -> bool:
    """Whether a painting has a field of this plain name, short names among them."""
    return name in SHORT or name in diffuse_pb2.Diffuse.DESCRIPTOR.fields_by_name or name == "size"


def _root(job: jobs_pb2.JobSpec, path: str, field: str) -> tuple[Any, str]:
    """Where a path begins: at the job where it says so, else at its painting."""
    if path.startswith("steps["):
        return job, path
    return painting(job, field), full(path)


def _parts(path: str, field: str) -> list[tuple[str, str | None]]:
    """(name, what stands in its brackets) for each part; dots in brackets belong to the name there."""
    found = re.findall(r"(?:[^.\[\]]|\[[^\[\]]*\])+", path)
    parts = [_PART.fullmatch(part) for part in found]
    if not parts or None in parts or ".".join(found) != path:
        raise Invalid(f"{path!r} is no path of a field", field=field, remedy="Write one such as sampling.eta.")
    return [(part[1], part[2]) for part in parts if part is not None]


def _descriptor(message: Any, name: str, path: str, field: str) -> Any:
    fields = message.DESCRIPTOR.fields_by_name
    if name not in fields:
        known = sorted([*fields, *(SHORT if message.DESCRIPTOR.name == "Diffuse" else ())])
        raise NotFound(f"There is no field {name!r} in {path!r}", field=field, suggestions=near(name, known))
    return fields[name]


def _is_map(descriptor: Any) -> bool:
    return descriptor.message_type is not None and descriptor.message_type.GetOptions().map_entry


def _put_in_map(entries: Any, descriptor: Any, key: str, word: str, path: str, field: str) -> None:
    value = descriptor.message_type.fields_by_name["value"]
    if value.message_type is None:
        entries[key] = _read(value, word, path, field)
    elif value.message_type.full_name == knobs_pb2.KnobValue.DESCRIPTOR.full_name:
        entries[key].CopyFrom(knob(word))
    else:
        raise _not_a_word(path, field)


def _entry(entries: Any, name: str, key: str | None, path: str, field: str) -> Any:
    """An entry of a list by its number or its name."""
    if not len(entries):
        raise Invalid(f"the job has no {name}, so {path} has no meaning", field=field)
    if not hasattr(entries[0], "DESCRIPTOR"):
        raise _not_a_word(path, field)
    if key is None:
        raise Invalid(f"{name} are several: say which, such as {name}[0]", field=field)
    if re.fullmatch("[0-9]{1,6}", key, re.ASCII):
        if int(key) >= len(entries):
            raise Invalid(f"there are {len(entries)} {name}, counted from 0, and no {key}", field=field)
        return entries[int(key)]
    names = [{getattr(entry, by, "") for by in ("model", "kind", "id", "role")} for entry in entries]
    for entry, called in zip(entries, names, strict=True):
        if key in called:
            return entry
    known = sorted(set().union(*names) - {""})
    raise NotFound(f"None of the {name} is called {key!r}", field=field, suggestions=near(key, known))


def _read(descriptor: Any, word: str, path: str, field: str) -> Any:
    """A word as a value of the field's type."""
    kind = descriptor.cpp_type
    if kind == Kind.CPPTYPE_STRING and descriptor.type == Kind.TYPE_STRING:
        return word
    if kind in _WHOLE:
        low, high = _WHOLE[kind]
        if not re.fullmatch(r"[+-]?[0-9]{1,20}", word, re.ASCII) or not low <= int(word) <= high:
            raise Invalid(f"{word!r} is not a whole number for {path}", field=field)
        return int(word)
    if kind in (Kind.CPPTYPE_FLOAT, Kind.CPPTYPE_DOUBLE):
        return _number(word, path, field)
    if kind == Kind.CPPTYPE_BOOL:
        if word.lower() not in (*_TRUE, *_FALSE):
            raise Invalid(f"{word!r} is neither yes nor no", field=field)
        return word.lower() in _TRUE
    if kind == Kind.CPPTYPE_ENUM:
        return _choice(descriptor.enum_type, word, path, field)
    raise _not_a_word(path, field)


def _number(word: str, path: str, field: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or abs(number) > 3.4e38:
        raise Invalid(f"{word!r} is not a number for {path}", field=field)
    return number


def _choice(enum: Any, word: str, path: str, field: str) -> int:
    """A value of an enum by its name, or by that without what all have in common: "surroundings"."""
    names = {value.name.lower(): value.number for value in enum.values}
    common = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", enum.name).lower() + "_"
    names |= {name.removeprefix(common): number for name, number in names.items()}
    if word.lower() not in names:
        known = sorted(name for name in names if not name.startswith(common))
        raise NotFound(f"{path} has no {word!r}", field=field, suggestions=near(word.lower(), known) or known)
    return names[word.lower()]


def _not_a_word(path: str, field: str) -> Invalid:
    return Invalid(f"{path} cannot be said in a word", field=field, remedy="Name a field that holds a word or number.")


def _repeated(descriptor: Any) -> bool:
    # protobuf 5 tells it by a label only, which newer ones warn of.
    told = getattr(descriptor, "is_repeated", None)
    return descriptor.label == descriptor.LABEL_REPEATED if told is None else told
