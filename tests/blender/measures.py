"""What textures are measured by, with no code of the engine's."""

import bpy
import numpy as np
from mathutils.bvhtree import BVHTree
from velatura_blender import capture, viewpoints


def surface_of(found):
    """Of each texel: whether it is `on` the mesh, its `place` and `normal` there, and its `triangle`."""
    width, height = found["size"]
    owner = np.full((height, width), -1)
    places = np.zeros((height, width, 3))
    normals = np.zeros((height, width, 3))
    for number, (corners, uv) in enumerate(zip(found["positions"][found["triangles"]], found["uvs"], strict=True)):
        uv = uv.astype(float) * (width, height)
        low, high = np.floor(uv.min(0)).astype(int), np.ceil(uv.max(0)).astype(int)
        x, y = np.meshgrid(
            np.arange(max(low[0], 0), min(high[0], width)) + 0.5, np.arange(max(low[1], 0), min(high[1], height)) + 0.5
        )
        (ax, ay), (bx, by) = uv[1] - uv[0], uv[2] - uv[0]
        area = ax * by - ay * bx
        if abs(area) < 1e-12:
            continue
        s = ((x - uv[0, 0]) * by - (y - uv[0, 1]) * bx) / area
        t = ((y - uv[0, 1]) * ax - (x - uv[0, 0]) * ay) / area
        inside = (s >= 0) & (t >= 0) & (s + t <= 1)
        rows, columns = (height - 1 - np.floor(y[inside])).astype(int), np.floor(x[inside]).astype(int)
        first = owner[rows, columns] < 0
        rows, columns = rows[first], columns[first]
        s, t = s[inside][first], t[inside][first]
        owner[rows, columns] = number
        a, b, c = corners.astype(float)
        places[rows, columns] = a + s[:, None] * (b - a) + t[:, None] * (c - a)
        normals[rows, columns] = np.cross(b - a, c - a) / max(np.linalg.norm(np.cross(b - a, c - a)), 1e-30)
    return {"on": owner >= 0, "place": places, "normal": normals, "triangle": owner}


def outside(thing, places, normals, most=400):
    """Whether each place can be seen from afar from anywhere less than 80 degrees off, by Blender's own rays.

    Of at most `most` places, the others are taken as the looked at ones are: returns as many as there are places.
    """
    depsgraph = bpy.context.evaluated_depsgraph_get()
    piece = capture.surface(thing, depsgraph, "")
    tree = BVHTree.FromPolygons(piece.positions.tolist(), piece.triangles.tolist(), all_triangles=True)
    ways = viewpoints.directions()
    step = max(1, len(places) // most)
    found = np.zeros(len(places), bool)
    for number in range(0, len(places), step):
        normal = normals[number]
        for way in ways[ways @ normal > 0.17]:
            if tree.ray_cast(places[number] + normal * 2e-4, way)[0] is None:
                found[number] = True
                break
    return found


def seam_ratio(found):
    """Jump of colour across edges where two charts meet, over that across edges within charts: a texel off each."""
    side = found["size"][0]
    edges = {}
    points = np.round(found["positions"].astype(float), 6)
    names = {tuple(point): number for number, point in enumerate(points)}
    ids = np.array([names[tuple(point)] for point in points])
    for number, triangle in enumerate(found["triangles"]):
        for k in range(3):
            pair = ids[triangle[k]], ids[triangle[(k + 1) % 3]]
            edges.setdefault(tuple(sorted(pair)), []).append((number, k, pair[0] > pair[1]))
    jumps = {True: [], False: []}
    rgb = found["rgba"][..., :3]
    for uses in edges.values():
        if len(uses) != 2:
            continue
        ends, colors = [], []
        for number, k, turned in uses:
            uv = found["uvs"][number].astype(float) * side
            a, b = uv[k], uv[(k + 1) % 3]
            a, b = (b, a) if turned else (a, b)
            ends.append((a, b))
            middle, inward = (a + b) / 2, uv.mean(0) - (a + b) / 2
            spot = middle + inward / max(np.linalg.norm(inward), 1e-9)
            colors.append(bilinear(rgb, spot))
        apart = max(np.abs(ends[0][0] - ends[1][0]).max(), np.abs(ends[0][1] - ends[1][1]).max()) > 0.01
        jumps[bool(apart)].append(np.abs(colors[0] - colors[1]).mean())
    assert len(jumps[True]) > 30
    return np.mean(jumps[True]) / np.mean(jumps[False])


def bilinear(rgb, spot):
    height, width = rgb.shape[:2]
    x, y = np.clip(spot[0] - 0.5, 0, width - 1.001), np.clip(height - spot[1] - 0.5, 0, height - 1.001)
    i, j = int(x), int(y)
    s, t = x - i, y - j
    return (rgb[j, i] * (1 - s) + rgb[j, i + 1] * s) * (1 - t) + (rgb[j + 1, i] * (1 - s) + rgb[j + 1, i + 1] * s) * t


def energy(rgb, inside):
    """Mean square of the Laplacian where a texel and its neighbours are inside."""
    whole = inside[1:-1, 1:-1] & inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    bend = rgb[:-2, 1:-1] + rgb[2:, 1:-1] + rgb[1:-1, :-2] + rgb[1:-1, 2:] - 4 * rgb[1:-1, 1:-1]
    bend = bend[whole]
    return float((np.clip(bend, -1, 1) ** 2).mean())
