"""Small scenes with known depth: sphere-traced primitives, triplanar procedural textures, one light.

Camera space: x right, y up, z forward (metres). Depth is z, not distance. One picture at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .families import family_a
from .palette import colour_names, sample_colours
from .textures import Labels, Program, draw

Distance = Callable[[Tensor], Tensor]
FAR = 12.0
FARTHEST = 0.05
"""The hint where the farthest object is; the background is 0."""


def sphere(p: Tensor) -> Tensor:
    """Radius 0.8."""
    return p.norm(dim=-1) - 0.8


def cube(p: Tensor) -> Tensor:
    """Half side 0.6."""
    q = p.abs() - 0.6
    return q.clamp_min(0).norm(dim=-1) + q.amax(-1).clamp_max(0)


def cylinder(p: Tensor) -> Tensor:
    """Radius 0.5, half height 0.75."""
    a, b = p[..., [0, 2]].norm(dim=-1) - 0.5, p[..., 1].abs() - 0.75
    return torch.hypot(a.clamp_min(0), b.clamp_min(0)) + torch.maximum(a, b).clamp_max(0)


def torus(p: Tensor) -> Tensor:
    """Radii 0.6 and 0.27."""
    return torch.hypot(p[..., [0, 2]].norm(dim=-1) - 0.6, p[..., 1]) - 0.27


def cone(p: Tensor) -> Tensor:
    """Base radius 0.7, height 1.5."""
    r = p[..., [0, 2]].norm(dim=-1)
    side = (r - (0.75 - p[..., 1]) * (0.7 / 1.5)) * 0.906
    return torch.maximum(side, p[..., 1].abs() - 0.75)


def stairs(p: Tensor) -> Tensor:
    """Five steps rising away from the viewer, 1.6 wide."""
    step = torch.clamp(torch.floor((p[..., 2] + 0.8) / 0.32), 0, 4)
    # The nearest of this step and the next one: an exact box distance for each.
    out = torch.full_like(step, 1e3)
    for k in (0, 1):
        i = (step + k).clamp_max(4)
        top, front = -0.6 + 0.28 * (i + 1), -0.8 + 0.32 * i
        qx = p[..., 0].abs() - 0.8
        qy = torch.maximum(p[..., 1] - top, -0.6 - p[..., 1])
        qz = torch.maximum(front - p[..., 2], p[..., 2] - 0.8)
        q = torch.stack([qx, qy, qz], -1)
        out = torch.minimum(out, q.clamp_min(0).norm(dim=-1) + q.amax(-1).clamp_max(0))
    return out * 0.9


def shapes() -> dict[str, Distance]:
    """Every single-object shape."""
    return {"sphere": sphere, "cube": cube, "cylinder": cylinder, "torus": torus, "cone": cone, "stairs": stairs}


@dataclass(frozen=True, slots=True)
class Solid:
    """A shape placed in the scene: ``turn`` (3, 3) rotates world to object, texture index, texel scale."""

    distance: Distance
    turn: Tensor
    centre: Tensor
    size: float
    texture: int

    def local(self, p: Tensor) -> Tensor:
        """World to object coordinates."""
        return (p - self.centre) @ self.turn.T / self.size

    def __call__(self, p: Tensor) -> Tensor:
        """Signed distance in metres."""
        return self.distance(self.local(p)) * self.size


@dataclass(frozen=True, slots=True)
class Render:
    """image (3, H, W) 0..1; depth (H, W) metres, infinite where nothing is; mask (H, W) bool; what it shows."""

    image: Tensor
    depth: Tensor
    mask: Tensor
    shape: str
    labels: Labels
    floor: Labels | None


def disparity(depth: Tensor, mask: Tensor) -> Tensor:
    """The ControlNet's hint, (H, W) in 0..1: near 1, the farthest object 0.05, the background exactly 0.

    d = (1/z - 1/zf) / (1/zn - 1/zf) over the object's 1st to 99th percentile of z; a flat object is 1.
    """
    if not bool(mask.any()):
        return torch.zeros_like(depth)
    z = depth[mask]
    zn, zf = torch.quantile(z, 0.01), torch.quantile(z, 0.99)
    span = 1 / zn - 1 / zf
    if float(span * zn) < 1e-3:
        return mask.float()
    d = (1 / depth.clamp_min(1e-6) - 1 / zf) / span
    return torch.where(mask, d.clamp(FARTHEST, 1), torch.zeros_like(d))


def rotation(yaw: float, pitch: float, roll: float = 0.0) -> Tensor:
    """Rotation matrix from three angles."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    ry = torch.tensor([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rx = torch.tensor([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    rz = torch.tensor([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return rz @ rx @ ry


def plane(p: Tensor) -> Tensor:
    """The half space below y = 0."""
    return p[..., 1]


def ripples(p: Tensor) -> Tensor:
    """A height field of crossing waves below y = 0.25."""
    h = 0.2 * torch.sin(1.7 * p[..., 0] + 0.6) * torch.cos(1.3 * p[..., 2]) + 0.08 * torch.sin(3.1 * p[..., 2] + 1)
    return (p[..., 1] - h) * 0.7


class Painter:
    """Draws scenes with textures of the given pool; holds only its inputs."""

    def __init__(self, tiles: Tensor, labels: list[Labels], generator: torch.Generator, size: int = 128) -> None:
        """tiles (N, 3, T, T) float 0..1 periodic, one label each."""
        self.tiles, self.labels, self.generator, self.size = tiles, labels, generator, size

    def number(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * float(torch.rand(1, generator=self.generator))

    def texture(self) -> int:
        """A random tile's number."""
        return int(torch.randint(len(self.tiles), (1,), generator=self.generator))

    def solid(self, name: str, x: float, z: float, ground: float, size: float, texture: int) -> Solid:
        """A shape standing on the ground (balls and rings may float a little)."""
        half = {"sphere": 0.8, "cube": 0.6, "cylinder": 0.75, "torus": 0.55, "cone": 0.75, "stairs": 0.6}[name]
        tilt = name in ("torus", "cube", "cylinder") and self.number(0, 1) < 0.35
        pitch = self.number(-0.9, 0.9) if tilt else 0.0
        yaw = self.number(-0.6, 0.6) if name == "stairs" else self.number(0, 2 * math.pi)
        centre = torch.tensor([x, ground + half * size, z])
        return Solid(shapes()[name], rotation(yaw, pitch), centre, size, texture)

    def surface(self, distance: Distance, pitch: float, yaw: float, offset: float, texture: int) -> Solid:
        """A plane or height field with its normal turned, ``offset`` metres before the camera."""
        return Solid(distance, rotation(yaw, pitch), torch.tensor([0.0, 0.0, offset]), 1.0, texture)

    def scene(self) -> tuple[list[Solid], str, int | None]:
        """Solids (first texture is the subject's), the shape's name, the floor's texture."""
        kind = self.number(0, 1)
        main = self.texture()
        if kind < 0.22:
            return self.filled(main)
        floor = self.texture() if self.number(0, 1) < 0.55 else None
        ground = -self.number(0.5, 0.9)
        names = list(shapes())
        solids = []
        count = 1 if kind < 0.72 else int(self.number(2, 5))
        name = names[int(self.number(0, len(names)))]
        for i in range(count):
            spread = 0.0 if count == 1 else 1.3
            one = name if i == 0 else names[int(self.number(0, len(names)))]
            x, z = self.number(-spread, spread), 3.4 + self.number(-0.5, 0.5 + spread)
            size = self.number(0.75, 1.25) if count == 1 else self.number(0.45, 0.85)
            solids.append(self.solid(one, x, z, ground, size, main))
        if floor is not None:
            solids.append(Solid(plane, torch.eye(3), torch.tensor([0.0, ground, 0.0]), 1.0, floor))
        return solids, name if count == 1 else "objects", floor

    def filled(self, main: int) -> tuple[list[Solid], str, None]:
        """Surfaces that fill the frame: walls, slants, corners, hills, close shapes."""
        pick = self.number(0, 5)
        if pick < 1:
            return [self.surface(plane, math.pi / 2, 0, self.number(1.5, 4), main)], "wall", None
        if pick < 2:
            pitch, roll = math.pi / 2 + self.number(-0.7, 0.7), self.number(-0.7, 0.7)
            turn = rotation(0, pitch) @ rotation(roll, 0)
            return [Solid(plane, turn, torch.tensor([0.0, 0.0, 2.6]), 1.0, main)], "wall", None
        if pick < 3:
            back = self.surface(plane, math.pi / 2, 0, 4.0, main)
            ground = Solid(plane, torch.eye(3), torch.tensor([0.0, -0.8, 0.0]), 1.0, main)
            turn = rotation(0, 0, math.pi / 2)
            side = Solid(plane, turn, torch.tensor([-1.4, 0.0, 0.0]), 1.0, main)
            return [back, ground, side][: int(self.number(2, 4))], "wall", None
        if pick < 4:
            centre = torch.tensor([self.number(-2, 2), -0.9, self.number(0, 4)])
            return [Solid(ripples, rotation(self.number(-1, 1), 0), centre, 1.0, main)], "terrain", None
        name = list(shapes())[int(self.number(0, 6))]
        return [self.solid(name, 0, 2.6, -1.2, self.number(1.8, 2.6), main)], name, None

    def rays(self) -> tuple[Tensor, Tensor]:
        """Camera position and directions (H, W, 3) with z along the axis 1 in camera space, pitched down a little."""
        n, focal = self.size, self.number(1.5, 2.6)
        line = (torch.arange(n) + 0.5) / n * 2 - 1
        y, x = torch.meshgrid(-line, line, indexing="ij")
        return torch.zeros(3), torch.stack([x / focal, y / focal, torch.ones_like(x)], -1)

    def render(self) -> Render:
        """One random scene."""
        solids, shape, floor = self.scene()
        tilt = rotation(0, self.number(0.0, 0.3) if shape != "wall" else 0.0)
        eye, camera = self.rays()
        pivot = torch.tensor([0.0, 0.0, 3.4])
        direction = camera @ tilt.T
        eye = pivot + (eye - pivot) @ tilt.T
        z, owner = trace(solids, eye, direction)
        mask = z < FAR
        at = eye + direction * z.clamp_max(FAR).unsqueeze(-1)
        image = self.shade(solids, at, direction, owner)
        image = torch.where(mask, image, self.backdrop())
        told = self.labels[solids[0].texture]
        depth = torch.where(mask, z, torch.full_like(z, math.inf))
        return Render(image.clamp(0, 1), depth, mask, shape, told, None if floor is None else self.labels[floor])

    def shade(self, solids: list[Solid], at: Tensor, direction: Tensor, owner: Tensor) -> Tensor:
        """Lit colours (3, H, W)."""
        turn = torch.tensor([self.number(-0.9, 0.9), self.number(0.5, 1.2), -self.number(0.3, 1.0)])
        sun = turn / turn.norm()
        out = torch.zeros((3, *owner.shape))
        for i, solid in enumerate(solids):
            normal = gradient(solid, at)
            diffuse = (normal @ sun).clamp_min(0)
            lit = 0.5 + 0.62 * diffuse
            scale = self.number(0.45, 0.7)
            colour = triplanar(self.tiles[solid.texture], solid.local(at) * solid.size, normal @ solid.turn.T, scale)
            out = torch.where(owner == i, colour * lit, out)
        return out

    def backdrop(self) -> Tensor:
        """A plain or shaded background, (3, H, W)."""
        label = torch.randint(len(colour_names()), (1,), generator=self.generator)
        colour = sample_colours(label, self.generator)[0]
        colour = colour + (0.75 - colour) * self.number(0.3, 1.0)
        slope = torch.linspace(-1, 1, self.size).view(1, -1, 1) * self.number(0, 0.2)
        return (colour * (1 - slope)).expand(3, self.size, self.size)


def trace(solids: list[Solid], eye: Tensor, direction: Tensor, steps: int = 44) -> tuple[Tensor, Tensor]:
    """Sphere tracing: camera z (H, W), FAR or more where nothing is hit, and the solid's number."""
    length = direction.norm(dim=-1)
    z = torch.full(length.shape, 0.3)
    for _ in range(steps):
        at = eye + direction * z.unsqueeze(-1)
        d = torch.stack([s(at) for s in solids]).amin(0)
        z = (z + d / length).clamp_max(FAR + 1)
    distances = torch.stack([s(eye + direction * z.unsqueeze(-1)) for s in solids])
    d, owner = distances.min(0)
    return torch.where(d < 0.03, z, torch.full_like(z, FAR + 1)), owner


def gradient(solid: Solid, at: Tensor, e: float = 2e-3) -> Tensor:
    """Unit normals (H, W, 3) by central differences."""
    steps = torch.eye(3) * e
    n = torch.stack([solid(at + s) - solid(at - s) for s in steps], -1)
    return n / n.norm(dim=-1, keepdim=True).clamp_min(1e-8)


def triplanar(tile: Tensor, at: Tensor, normal: Tensor, scale: float) -> Tensor:
    """Sample a periodic tile (3, T, T) from three sides; ``at`` (H, W, 3) metres, ``scale`` tiles a metre."""
    weight = normal.abs() ** 6
    weight = weight / weight.sum(-1, keepdim=True).clamp_min(1e-8)
    out = torch.zeros((3, *at.shape[:2]))
    for axis, (a, b) in enumerate(((2, 1), (0, 2), (0, 1))):
        out = out + bilinear(tile, at[..., a] * scale, -at[..., b] * scale) * weight[..., axis]
    return out


def bilinear(tile: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Wrapped bilinear look-up, (3, H, W)."""
    n = tile.shape[-1]
    x, y = u * n - 0.5, v * n - 0.5
    x0, y0 = x.floor(), y.floor()
    fx, fy = x - x0, y - y0
    x0, y0 = x0.long() % n, y0.long() % n
    x1, y1 = (x0 + 1) % n, (y0 + 1) % n
    top = tile[:, y0, x0] * (1 - fx) + tile[:, y0, x1] * fx
    low = tile[:, y1, x0] * (1 - fx) + tile[:, y1, x1] * fx
    return top * (1 - fy) + low * fy


def texture_tiles(
    count: int, generator: torch.Generator, size: int = 128, family: dict[str, tuple[Program, ...]] | None = None
) -> tuple[Tensor, list[Labels]]:
    """A pool of periodic tiles for the scenes, of family A unless another is given."""
    programs = [(m, p) for m, ps in (family or family_a()).items() for p in ps]
    images, labels = [], []
    for i in range(count // 4):
        material, program = programs[i % len(programs)]
        b = draw(program, material, batch=4, size=size, generator=generator)
        images.append(b.image)
        labels += b.labels
    return torch.cat(images), labels
