"""Lets the fake engine project with the real kernel, which lives in the engine's own environment."""

import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv" / "bin" / "python"
PROGRAM = """
import sys
import numpy as np
from velatura_engine.request import Mesh
from velatura_engine.textures.projection import project
from velatura_engine.textures.eyes import ViewArrays
for folder in sys.argv[1:]:
    given = dict(np.load(folder + "/given.npz"))
    mesh = Mesh(positions=given["positions"], triangles=given["triangles"], uvs=given["uvs"])
    view = ViewArrays(world_to_camera=given["world_to_camera"], camera_to_clip=given["camera_to_clip"],
                      color=given["color"], depth=given["depth"], mask=given["mask"])
    made = project(mesh, [view], tuple(given["size"]), base=given["base"], max_angle=float(given["max_angle"]))
    np.savez(folder + "/made.npz", rgba=made.rgba, **made.scores)
"""


def run(program, *arguments):
    """Runs a program of the engine's own environment."""
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([PYTHON, "-c", program, *arguments], check=True, cwd=ROOT / "engine", env=alone)


def install(monkeypatch, fake, folder, paint):
    """From now on `fake` projects for real; `paint(width, height)` is what it paints, (H, W, 3) uint8."""
    from velatura import pixels
    from velatura.testing import painter
    from velatura.v1 import jobs_pb2

    plain = painter._outputs

    def content(buffer):
        return fake.blobs[buffer.blob_id] if buffer.blob_id else buffer.data

    def image(message):
        whole = type(message)()
        whole.CopyFrom(message)
        whole.data = content(message)
        return pixels.to_array(whole)

    def outputs(step, size):
        if step.WhichOneof("operation") != "project":
            yield from plain(step, size)
            return
        view = step.project.views[0]
        depth = image(view.depth.image)[..., 0]
        places = [Path(tempfile.mkdtemp(dir=folder)) for _ in step.project.targets]
        for place, target in zip(places, step.project.targets, strict=True):
            np.savez(
                place / "given.npz",
                positions=np.frombuffer(content(target.mesh.positions), "<f4").reshape(-1, 3),
                triangles=np.frombuffer(content(target.mesh.triangles), "<u4").reshape(-1, 3),
                uvs=np.frombuffer(content(target.mesh.uvs), "<f4").reshape(-1, 3, 2),
                world_to_camera=np.array(view.camera.world_to_camera).reshape(4, 4),
                camera_to_clip=np.array(view.camera.camera_to_clip).reshape(4, 4),
                depth=depth,
                mask=image(view.mask.image)[..., 0] / np.float32(255),
                color=paint(*depth.shape[::-1]) / np.float32(255),
                base=image(target.base) / np.float32(255),
                size=np.array([target.width, target.height]),
                max_angle=step.project.max_angle,
            )
        run(PROGRAM, *places)
        for place, target in zip(places, step.project.targets, strict=True):
            with np.load(place / "made.npz") as found:
                scores = {name: float(found[name]) for name in found.files if name != "rgba"}
                texture = np.rint(found["rgba"] * 255).astype(np.uint8)
            yield jobs_pb2.Artifact(kind="texture", name=target.id, image=pixels.from_array(texture), scores=scores)

    monkeypatch.setattr(painter, "_outputs", outputs)
