"""How a picture was made, as it travels inside its PNG file, and how to make it again."""

from __future__ import annotations

from google.protobuf import json_format

from . import png
from .errors import Invalid
from .v1 import jobs_pb2

KEY = "velatura"
FORMAT = 1


def read(file: bytes) -> jobs_pb2.Recipe | None:
    """The recipe inside a PNG file; None where it has none. Raises Invalid for a broken file or recipe."""
    text = png.read_texts(file).get(KEY)
    return None if text is None else loads(text)


def write(file: bytes, recipe: jobs_pb2.Recipe) -> bytes:
    """The PNG file with this recipe inside, in place of another."""
    return png.write_text(file, KEY, dumps(recipe))


def loads(text: str) -> jobs_pb2.Recipe:
    """A recipe from its JSON, as hosts keep it with a layer or material. Raises Invalid."""
    try:
        recipe = json_format.Parse(text, jobs_pb2.Recipe(), ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, RecursionError) as error:
        raise Invalid("The recipe in this picture cannot be read", field="recipe", debug=repr(error)) from error
    if recipe.format > FORMAT:
        raise Invalid(
            "The recipe in this picture is newer than this plug-in", field="recipe", remedy="Update the plug-in."
        )
    return recipe


def dumps(recipe: jobs_pb2.Recipe) -> str:
    """The recipe's JSON."""
    return json_format.MessageToJson(recipe, indent=None)


def replay(recipe: jobs_pb2.Recipe) -> jobs_pb2.JobSpec:
    """The job that makes the picture again. Pictures it started from are named by blob id and must
    still be at the engine, or be put there again."""
    if not recipe.spec.steps:
        raise Invalid("The recipe in this picture holds no job", field="recipe")
    spec = jobs_pb2.JobSpec()
    spec.CopyFrom(recipe.spec)
    spec.ClearField("request_id")
    spec.ClearField("supersede_key")
    return spec
