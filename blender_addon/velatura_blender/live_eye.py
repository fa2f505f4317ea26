"""What the live view looks at: the scene as a 3D view or its camera shows it, as jobs.

The first draw off screen makes shaders, so it is done in pieces before anything is captured. While captures follow each
other anti-aliasing is off.
"""

import bpy
import gpu
import numpy as np

from . import asking, asking_restyle, capture, drawing, host, knobs, offscreen, painting, shots, unseen
from .client import spec
from .live import LEAST

KEY = "live"
PIECES = ((1e5, False, False), (1e5, True, False), (0.0, True, False), (0.0, True, True))
"""What is drawn before the first capture: metres beside the scene, with background, in the display's colours."""


class Eye:
    """The scene as a 3D view or its camera shows it."""

    def __init__(self, area):
        self.area = area
        self.edits = 0
        self.left_out = {}
        self._target = None
        self._size = (0, 0)
        self._haste = drawing.Haste()
        self._pieces = None

    def state(self):
        """Everything that the picture depends on."""
        scene, found = bpy.context.scene, self.view()
        settings, own = scene.velatura, scene.velatura_live
        words = tuple(getattr(settings, name) for name in ("prompt", "negative", "model", "seed", "style", "sampler"))
        how = (own.target, own.side, own.steps, round(own.change, 4), own.depth, scene.view_settings.view_transform)
        seen = (scene.name, scene.frame_current, self.edits, round(scene.view_settings.exposure, 4))
        if found is None:
            return words, how, seen
        space, region = found
        shading = space.shading
        look = (shading.type, shading.light, shading.color_type, shading.studio_light)
        lens = scene.camera.name if scene.camera is not None and self.by_camera(space) else _numbers(space)
        return words, how, seen, look, lens, (region.width, region.height)

    def by_camera(self, space):
        """Whether the camera's view is captured: where it is the target, or what the 3D view looks through."""
        return bpy.context.scene.velatura_live.target == "CAMERA" or space.region_3d.view_perspective == "CAMERA"

    def view(self):
        """The 3D view that was chosen with its region, else another one; None where there is none."""
        return drawing.view(self.area)

    def prepare(self, side):
        """One more piece of what Blender and the graphics card do only once; says whether there was none left."""
        if self._pieces is None:
            self._haste.begin()
            self._pieces = self._begin(side)
        try:
            return next(self._pieces, None) is None
        except ValueError:  # the capture tells
            return True

    def _begin(self, side):
        """Draw nothing, the background, the scene, and that in the display's colours: each has shaders of its own."""
        self.left_out = self.without_depth()
        yield "what is there"
        for away, background, managed in PIECES:
            space, region, pose, clip, size = self.where(side)
            pose = np.array(pose, np.float64)
            pose[0, 3] += away
            self.draw(space, region, pose, clip, size, background=background, managed=managed)
            yield "drawn"

    def rest(self):
        """Anti-aliasing comes back, and there is time to look what of the scene has no depth."""
        self._haste.end()
        self.left_out = self.without_depth()
        return unseen.warning(self.left_out)

    def without_depth(self):
        """What is before the lens and that the depth of a 3D view's draw lacks, by names; nothing where none is
        followed."""
        if not bpy.context.scene.velatura_live.depth:
            return {}
        try:
            _, _, pose, clip, _ = self.where(LEAST)
        except ValueError:  # the next capture tells
            return {}
        lens = capture.Lens(world_to_camera=pose, camera_to_clip=clip, orthographic=abs(clip[3][3]) > 0.5)
        return unseen.volumes(unseen.found(bpy.context.evaluated_depsgraph_get(), [lens]))

    def capture(self, side):
        """What is seen now, as a job. Raises ValueError that says what lacks."""
        scene = bpy.context.scene
        settings, own = scene.velatura, scene.velatura_live
        space, region, pose, clip, size = self.where(side)
        self._haste.begin()
        color, depth = self.draw(space, region, pose, clip, size)
        shot = asking_restyle.Shot(color=color, depth=depth if own.depth and np.isfinite(depth).any() else None)
        notes = {"live": own.target.lower(), **unseen.labels(self.left_out)}
        made = asking_restyle.restyle(wish(settings, own, size), shot, own.change, notes)
        return spec.job(made, supersede_key=KEY)

    def where(self, side):
        """The 3D view and its region, the matrices of what is looked through, and the picture's size. Raises ValueError
        that says what lacks."""
        scene, found = bpy.context.scene, self.view()
        settings, own = scene.velatura, scene.velatura_live
        if not settings.prompt.strip():
            raise ValueError("Say what to paint: the prompt is empty")
        if found is None:
            raise ValueError("There is no 3D view: open one")
        if own.target == "EDITOR" and host.has_window() and not host.has_editor():
            raise ValueError("There is no Image editor to show the picture in: open one beside the 3D view")
        space, region = found
        if space.shading.type == "RENDERED" and scene.render.engine not in ("BLENDER_WORKBENCH", *drawing.EEVEE):
            raise ValueError("The renderer's own view cannot be read: use Solid or Material Preview shading")
        if self.by_camera(space):
            shots.camera_of(scene)
            size = host.frame_size(scene, side)
            lens = capture.lens_of(scene.camera, bpy.context.evaluated_depsgraph_get(), *size, square=True)
            return space, region, lens.world_to_camera, lens.camera_to_clip, size
        size = _size(region.width, region.height, side)
        return space, region, np.array(space.region_3d.view_matrix), np.array(space.region_3d.window_matrix), size

    def draw(self, space, region, pose, clip, size, **how):
        """Colours (H, W, 4) uint8 and depth (H, W) metres of one draw off screen."""
        if not offscreen.ready():
            raise ValueError("There is no graphics card to draw with here")
        if self._size != size:
            self._free()
            self._target, self._size = gpu.types.GPUOffScreen(*size), size
        where = bpy.context.scene, bpy.context.view_layer
        return drawing.draw(self._target, (space, region), where, pose, clip, size, **how)

    def close(self):
        """Let the graphics card's memory go, and anti-aliasing come back."""
        self._haste.end()
        self._free()

    def _free(self):
        if self._target is not None:
            self._target.free()
        self._target, self._size = None, (0, 0)


def wish(settings, own, size):
    """What to paint, with the same noise each time, without the panel's hints."""
    return asking.Wish(
        prompt=settings.prompt.strip(), negative=settings.negative.strip(), size=size, seed=max(settings.seed, 0),
        steps=own.steps, model=settings.model.strip(), style=painting.style_of(settings.style),
        sampler=settings.sampler, schedule=settings.schedule,
        guidance=None if settings.guidance < 0 else settings.guidance,
        knobs=knobs.values(settings.knobs, settings.sampler) if settings.sampler else {},
        adapters=tuple(spec.adapter(each.model, each.weight) for each in settings.adapters if each.use and each.model),
    )  # fmt: skip


def _size(width, height, side):
    """Width and height of a region's shape, multiples of 8, `side` at the longer one."""
    scale = side / max(width, height, 1)
    return tuple(max(round(each * scale / 8) * 8, 64) for each in (width, height))


def _numbers(space):
    view = space.region_3d
    return tuple(
        round(number, 5) for matrix in (view.view_matrix, view.window_matrix) for row in matrix for number in row
    )
