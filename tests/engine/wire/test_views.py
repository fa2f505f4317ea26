"""The views of a painting: what does not go with them is named, and what is right arrives unchanged."""

import numpy as np
import pytest
from velatura.v1 import diffuse_pb2, jobs_pb2, pixels_pb2
from velatura_engine.errors import Invalid, NotFound, Unsupported
from velatura_engine.server.limits import Limits
from velatura_engine.wire import read as read_spec

EYE = tuple(np.eye(4).ravel())
METRE = pixels_pb2.Image(
    data=np.ones((16, 16), "<f4").tobytes(), format=pixels_pb2.PIXEL_FORMAT_R32F, width=16, height=16
)
GREY = pixels_pb2.Image(data=bytes(16 * 16 * 4), format=pixels_pb2.PIXEL_FORMAT_RGBA8, width=16, height=16)
DISPARITY = {"image": METRE, "encoding": pixels_pb2.DEPTH_ENCODING_DISPARITY}


def view(**more):
    lens = {"world_to_camera": EYE, "camera_to_clip": EYE, "projection": "PROJECTION_TYPE_PERSPECTIVE"}
    return {"camera": lens, "depth": {"image": METRE}} | more


def read(views=None, **fields):
    def blob(name):
        raise NotFound("blob", name)

    ask = diffuse_pb2.Diffuse(prompt={"text": "moss"}, views=[view(), view()] if views is None else views, **fields)
    spec = jobs_pb2.JobSpec(steps=[jobs_pb2.Step(diffuse=ask)])
    return read_spec(spec, limits=Limits(), blob=blob).steps[0].operation


def test_views_arrive_with_their_cameras_depth_words_and_what_they_show():
    ask = read([view(prompt=" front view "), view(color=GREY, weight=2.0)], agreement={"refine": 0.3})
    first, second = ask.views
    assert first.words == "front view" and first.color is None and second.color is not None and second.weight == 2
    assert first.depth.metric and first.world_to_camera.shape == (4, 4)
    assert (ask.agreement.method, ask.agreement.refine, ask.agreement.gain) == ("sequence", pytest.approx(0.3), 0.2)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"init": {"image": GREY}}, "init"),
        ({"depth": {"image": METRE}}, "depth"),
        ({"tiling": {"x": True}}, "tiling"),
        ({"windows": {}}, "windows"),
        ({"variation": {"strength": 0.2}}, "variation"),
        ({"count": 2}, "count"),
        ({"views": [], "agreement": {"refine": 0.3}}, "agreement"),
        ({"controls": [{"kind": "canny", "image": GREY}]}, "controls[0].image"),
        ({"views": [view(color=GREY)]}, "views"),
        ({"views": [view(depth=DISPARITY)]}, "views[0].depth"),
        ({"views": [view(weight=-1.0)]}, "views[0].weight"),
        ({"agreement": {"refine": 1.5}}, "agreement.refine"),
    ],
)
def test_what_contradicts_views_is_refused_by_name(fields, named):
    with pytest.raises(Invalid) as caught:
        read(**fields)
    assert caught.value.field == f"steps[0].diffuse.{named}" and caught.value.remedy


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"views": [view(normal={"image": GREY})]}, "views[0].normal"),
        ({"views": [view(mask={"image": GREY})]}, "views[0].mask"),
        ({"agreement": {"method": "telepathy"}}, "agreement.method"),
    ],
)
def test_what_views_cannot_do_is_refused_and_never_left_out_in_silence(fields, named):
    with pytest.raises(Unsupported) as caught:
        read(**fields)
    assert caught.value.field == f"steps[0].diffuse.{named}" and caught.value.remedy
