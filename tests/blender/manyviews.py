"""Lets the fake engine paint views by arithmetic, as a function of the place on the surface, and project for real."""

import os
import subprocess

import numpy as np
from kernel import PYTHON, ROOT

PROGRAM = """
import sys
import numpy as np
from velatura_engine.request import Mesh
from velatura_engine.textures.projection import project
from velatura_engine.textures.eyes import ViewArrays, eye
print("ready", flush=True)
for file in map(str.strip, sys.stdin):
    given = dict(np.load(file))
    views = [eye(ViewArrays(world_to_camera=given[f"pose{n}"], camera_to_clip=given[f"clip{n}"],
                            color=given[f"color{n}"], depth=given[f"depth{n}"], mask=given[f"mask{n}"],
                            weight=float(given["weights"][n])), 1.0)
             for n in range(len(given["weights"]))]
    mesh = Mesh(positions=given["positions"], triangles=given["triangles"], uvs=given["uvs"])
    made = project(mesh, views, tuple(given["size"]), max_angle=float(given["angle"]), fill=bool(given["fill"]),
                   exponent=float(given["exponent"]))
    np.savez(file + ".made.npz", rgba=made.rgba, **made.scores)
    print(file, flush=True)
"""


class Kernel:
    """The engine's projection in a process of its own, started once."""

    process = None

    @classmethod
    def run(cls, files):
        """Project what each file holds into another beside it."""
        if cls.process is None:
            alone = {**os.environ, "OMP_NUM_THREADS": "1"}
            cls.process = subprocess.Popen([PYTHON, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                           text=True, cwd=ROOT / "engine", env=alone)  # fmt: skip
            cls.process.stdout.readline()
        for file in files:
            cls.process.stdin.write(file + "\n")
            cls.process.stdin.flush()
            assert cls.process.stdout.readline().strip() == file, "the kernel died"


def waves(places, scale=3.0):
    """Colours (..., 3) that differ everywhere in space, 0.1..0.9."""
    turns = places @ np.array([[1.0, 0.3, -0.2], [-0.4, 1.1, 0.5], [0.6, -0.3, 0.9]]).T * scale
    return 0.5 + 0.4 * np.sin(turns + np.array([0.0, 1.0, 2.0]))


def places_of(view, depth):
    """World positions (H, W, 3) of a view's pixels; where nothing is, those of 1 m."""
    height, width = depth.shape
    pose, clip = (np.array(m, float).reshape(4, 4) for m in (view.camera.world_to_camera, view.camera.camera_to_clip))
    x, y = np.meshgrid((np.arange(width) + 0.5) / width * 2 - 1, 1 - (np.arange(height) + 0.5) / height * 2)
    z = np.where(np.isfinite(depth), depth, 1.0)
    w = z if clip[3, 2] else np.ones_like(z)
    across = (x * w - clip[0, 3] + clip[0, 2] * z) / clip[0, 0]
    up = (y * w - clip[1, 3] + clip[1, 2] * z) / clip[1, 1]
    return np.stack([across, up, -z, np.ones_like(z)], -1) @ np.linalg.inv(pose).T[:, :3]


def install(monkeypatch, fake, folder, paint=waves):
    """From now on `fake` paints views as `paint(places)`, (H, W, 3) 0..1, magenta behind, and projects for real.

    Returns a list that keeps what was made: a dictionary of textures by target for every projection, with all that the
    kernel was given.
    """
    from velatura import pixels
    from velatura.testing import painter
    from velatura.v1 import jobs_pb2

    plain, painted, made = painter._outputs, {}, []

    def content(buffer):
        return fake.blobs[buffer.blob_id] if buffer.blob_id else buffer.data

    def image(message):
        whole = type(message)()
        whole.CopyFrom(message)
        whole.data = content(message)
        return pixels.to_array(whole)

    def color(message):
        if message.WhichOneof("source") == "output":
            return painted[message.output.step_id][message.output.index]
        return image(message) / np.float32(255)

    def outputs(step, size):
        kind = step.WhichOneof("operation")
        if kind == "diffuse" and step.diffuse.views:
            painted[step.id] = [show(view) for view in step.diffuse.views]
            for number, shown in enumerate(painted[step.id]):
                yield jobs_pb2.Artifact(kind="image", seed=step.diffuse.seed + number, image=pixels.from_array(
                    np.rint(shown * 255).astype(np.uint8)))  # fmt: skip
        elif kind == "project":
            yield from project(step.project)
        else:
            yield from plain(step, size)

    def show(view):
        if view.HasField("color"):
            return color(view.color)
        depth = image(view.depth.image)[..., 0]
        shown = np.ones((*depth.shape, 4), np.float32)
        shown[..., :3] = np.where(np.isfinite(depth)[..., None], paint(places_of(view, depth)), (1.0, 0.0, 1.0))
        return shown

    def project(task):
        given = {"weights": np.array([view.weight or 1.0 for view in task.views])}
        for n, view in enumerate(task.views):
            given |= {
                f"pose{n}": np.array(view.camera.world_to_camera).reshape(4, 4),
                f"clip{n}": np.array(view.camera.camera_to_clip).reshape(4, 4),
                f"depth{n}": image(view.depth.image)[..., 0], f"color{n}": color(view.color),
                f"mask{n}": image(view.mask.image)[..., 0] / np.float32(255),
            }  # fmt: skip
        files, meshes = [], {}
        for number, target in enumerate(task.targets):
            meshes[target.id] = {
                "positions": np.frombuffer(content(target.mesh.positions), "<f4").reshape(-1, 3),
                "triangles": np.frombuffer(content(target.mesh.triangles), "<u4").reshape(-1, 3),
                "uvs": np.frombuffer(content(target.mesh.uvs), "<f4").reshape(-1, 3, 2),
                "size": np.array([target.width, target.height]),
            }
            files.append(str(folder / f"{len(made)}-{number}"))
            np.savez(files[-1] + ".npz", **given, **meshes[target.id], angle=task.max_angle, fill=task.fill,
                     exponent=task.exponent)  # fmt: skip
        Kernel.run([file + ".npz" for file in files])
        made.append({})
        for file, target in zip(files, task.targets, strict=True):
            with np.load(file + ".npz.made.npz") as found:
                scores = {name: float(found[name]) for name in found.files if name != "rgba"}
                rgba = found["rgba"]
            made[-1][target.id] = {"rgba": rgba, **meshes[target.id], "scores": scores}
            texture = np.rint(np.clip(rgba, 0, 1) * 255).astype(np.uint8)
            yield jobs_pb2.Artifact(kind="texture", name=target.id, image=pixels.from_array(texture), scores=scores)

    monkeypatch.setattr(painter, "_outputs", outputs)
    return made
