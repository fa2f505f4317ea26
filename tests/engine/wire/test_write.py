"""What was left open is filled in where the job is handed back."""

from pathlib import Path

from velatura import spec
from velatura.v1 import diffuse_pb2, jobs_pb2
from velatura_engine import wire
from velatura_engine.models.entry import ModelEntry
from velatura_engine.models.index import ModelIndex
from velatura_engine.planning.job import make
from velatura_engine.samplers import samplers
from velatura_engine.server.limits import Limits
from velatura_engine.wire import write

TINY = ModelEntry(id="tiny", title="Tiny", kind="checkpoint", family="sd1", path=Path("tiny"), format="diffusers")


class Index:
    """One model at hand."""

    def default(self, field=""):
        return TINY

    def adapters(self, kind):
        return []

    def sha256(self, name):
        return name


def resolve(job: jobs_pb2.JobSpec) -> diffuse_pb2.Diffuse:
    request = wire.read(job, limits=Limits(), blob=lambda name: b"")
    return wire.resolve(job, make(request, Index()), put_blob=lambda content: "").steps[0].diffuse


def test_a_recipe_says_how_its_prompts_were_read():
    job = spec.diffuse("(moss:1.2)", negative="moss++")
    job.steps[0].diffuse.negative.syntax = diffuse_pb2.PROMPT_SYNTAX_PLAIN
    resolved = resolve(job)
    assert resolved.prompt.syntax == diffuse_pb2.PROMPT_SYNTAX_WEBUI
    assert resolved.negative.syntax == diffuse_pb2.PROMPT_SYNTAX_PLAIN
    assert not resolve(spec.diffuse("moss")).HasField("negative")


def test_the_catalog_names_every_schedule_that_a_sampler_knows():
    shelves = {shelf.name: [part.id for part in shelf.parts] for shelf in write.catalog(ModelIndex()).shelves}
    assert {"normal", "karras", "simple", "sgm_uniform"} <= set(shelves["schedules"])
    assert set(shelves["schedules"]) == {name for part in samplers().parts() for name in part.schedules}
