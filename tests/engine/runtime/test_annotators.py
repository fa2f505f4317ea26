"""Models that look at pictures to make hints: what they answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fakes.tiny_annotators import (
    LINES,
    make_finder,
    make_lines,
    make_poser,
    make_questioned,
    make_segmenter,
)
from fakes.tiny_models import make_estimator
from safetensors.torch import load_file, save_file
from velatura_engine.errors import Unsupported
from velatura_engine.models.index import ModelIndex
from velatura_engine.preprocessors import Given, preprocessor
from velatura_engine.runtime import edges
from velatura_engine.runtime.models import Models
from velatura_engine.runtime.sketches import kernel


def installed(folder: Path) -> ModelIndex:
    index = ModelIndex([folder], starter=False)
    assert not index.refused
    return index


@pytest.mark.parametrize("kind", ["dpt", "depth_anything"])
@pytest.mark.parametrize("size", [(40, 40), (30, 90), (17, 23)])
def test_an_estimator_gives_depth_from_0_to_1_as_large_as_the_picture(tmp_path, kind, size):
    make_estimator(tmp_path / "models" / "small", kind)
    (entry,) = installed(tmp_path / "models").annotators("depth")
    estimate = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    near = estimate(picture)
    assert near.shape == size and near.dtype == np.float32
    assert near.min() == 0 and near.max() == 1 and np.array_equal(near, estimate(picture))
    hint = preprocessor("depth_estimate").build(Given(picture=picture, estimate=estimate), background=0.0)
    assert np.array_equal(hint[..., 1], near)


def test_an_estimator_sees_colours_as_its_settings_say(tmp_path):
    folder = make_estimator(tmp_path / "models" / "small")
    picture = np.random.default_rng(0).random((28, 28, 3), np.float32)
    (entry,) = installed(tmp_path / "models").annotators("depth")
    plain = Models(device="cpu").annotator(entry)(picture)
    settings = {"image_mean": [0.1, 0.2, 0.3], "image_std": [1, 1, 1], "size": {"height": 28}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    told = Models(device="cpu").annotator(entry)(picture)
    assert not np.allclose(plain, told)


def test_metric_estimators_call_the_nearest_near(tmp_path):
    folder = make_estimator(tmp_path / "models" / "small")
    (entry,) = installed(tmp_path / "models").annotators("depth")
    estimate = Models(device="cpu").annotator(entry)
    estimate.model.forward = lambda pixels: type(
        "Answer", (), {"predicted_depth": 1 + pixels[:, 0] * 0 + _ramp(pixels)}
    )
    picture = np.zeros((28, 28, 3), np.float32)
    assert estimate(picture)[0, 0] == 0
    estimate.model.config.depth_estimation_type = "metric"
    assert estimate(picture)[0, 0] == 1 and folder.is_dir()


def _ramp(pixels: torch.Tensor) -> torch.Tensor:
    """Distance that grows to the right."""
    return torch.arange(pixels.shape[-1], dtype=pixels.dtype).expand(1, pixels.shape[-2], -1)


SHAPES = {
    "softedge": {
        "norm": (1, 3, 1, 1), "block1.convs.1.bias": (64,), "block3.convs.2.weight": (256, 256, 3, 3),
        "block4.projection.weight": (1, 512, 1, 1), "block5.convs.0.weight": (512, 512, 3, 3),
    },
    "lineart": {
        "model0.1.weight": (64, 3, 7, 7), "model1.3.weight": (256, 128, 3, 3), "model2.0.conv_block.1.bias": (256,),
        "model2.2.conv_block.5.weight": (256, 256, 3, 3), "model3.0.weight": (256, 128, 3, 3),
        "model3.3.weight": (128, 64, 3, 3), "model4.1.weight": (1, 64, 7, 7),
    },
    "pidinet": {
        "init_block.weight": (60, 3, 3, 3), "block1_3.conv1.weight": (60, 1, 3, 3),
        "block1_1.conv2.weight": (60, 60, 1, 1),
        "block2_1.shortcut.weight": (120, 60, 1, 1), "block2_1.shortcut.bias": (120,),
        "block2_1.conv1.weight": (60, 1, 3, 3), "block3_4.conv2.weight": (240, 240, 1, 1),
        "block4_1.shortcut.weight": (240, 240, 1, 1), "block4_4.conv1.weight": (240, 1, 3, 3),
        "dilations.0.conv1.bias": (24,), "dilations.3.conv1.weight": (24, 240, 1, 1),
        "dilations.2.conv2_4.weight": (24, 24, 3, 3), "attentions.1.conv1.bias": (4,),
        "attentions.3.conv2.weight": (1, 4, 3, 3), "conv_reduces.3.conv.weight": (1, 24, 1, 1),
        "classifier.weight": (1, 4, 1, 1), "classifier.bias": (1,),
    },
    "lineart_anime": {
        "model.model.0.weight": (64, 3, 4, 4), "model.model.0.bias": (64,), "model.model.3.weight": (128, 1, 4, 4),
        "model.model.1.model.1.weight": (128, 64, 4, 4), "model.model.1.model.5.weight": (256, 64, 4, 4),
        "model.model.1.model.3.model.3.model.1.weight": (512, 256, 4, 4),
        "model.model.1.model.3.model.3.model.3.model.3.model.3.model.3.model.1.weight": (512, 512, 4, 4),
        "model.model.1.model.3.model.3.model.3.model.3.model.3.model.3.model.3.weight": (512, 512, 4, 4),
    },
    "mlsd": {
        "backbone.features.0.0.weight": (32, 4, 3, 3), "backbone.features.0.1.running_mean": (32,),
        "backbone.features.1.conv.0.0.weight": (32, 1, 3, 3), "backbone.features.1.conv.1.weight": (16, 32, 1, 1),
        "backbone.features.2.conv.0.0.weight": (96, 16, 1, 1), "backbone.features.7.conv.1.0.weight": (192, 1, 3, 3),
        "backbone.features.13.conv.2.weight": (96, 576, 1, 1), "backbone.features.13.conv.3.running_var": (96,),
        "block15.conv1.0.weight": (64, 96, 1, 1), "block15.conv2.0.weight": (64, 64, 1, 1),
        "block16.conv1.0.weight": (128, 128, 3, 3), "block17.conv2.0.weight": (64, 32, 1, 1),
        "block19.conv2.0.weight": (64, 24, 1, 1), "block21.conv2.0.weight": (64, 16, 1, 1),
        "block22.conv2.0.weight": (64, 128, 3, 3), "block23.conv1.1.weight": (64,),
        "block23.conv3.weight": (16, 64, 1, 1),
    },
}  # fmt: skip
"""Tensors as their makers' files name them."""


@pytest.mark.parametrize("kind", ["softedge", "lineart", "pidinet", "lineart_anime"])
def test_a_network_that_draws_lines_is_told_by_its_tensors_and_draws_as_large_as_the_picture(tmp_path, kind):
    make_lines(tmp_path / "models" / "some name.safetensors", kind)
    (entry,) = installed(tmp_path / "models").annotators(kind)
    draw = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((60, 90, 3), np.float32)
    lines = draw(picture, 128)
    assert lines.shape == (60, 90) and 0 <= lines.min() < lines.max() <= 1
    assert np.array_equal(lines, draw(picture, side=128)) and not np.array_equal(lines, draw(picture[::-1].copy(), 128))


@pytest.mark.parametrize("kind", SHAPES)
def test_networks_have_the_tensors_that_their_makers_files_have(kind):
    state = {name: tuple(values.shape) for name, values in LINES[kind]().state_dict().items()}
    assert SHAPES[kind].items() <= state.items()


def test_hed_stands_on_the_convolutions_of_vgg16():
    convolutions, projections = 14_714_688, 64 + 128 + 256 + 512 + 512 + 5
    assert sum(values.numel() for values in edges.Hed().parameters()) == convolutions + projections + 3


def test_hed_is_the_mean_of_five_blocks_each_seen_half_as_large():
    torch.manual_seed(0)
    net = edges.Hed().eval()
    tensors = {name: torch.randn_like(values) * 0.05 for name, values in net.state_dict().items()}
    net.load_state_dict(tensors)
    picture = torch.rand(1, 3, 64, 64)
    features, told = picture * 255 - tensors["norm"], []
    for block, depth in enumerate((2, 2, 3, 3, 3), 1):
        for number in range(depth):
            name = f"block{block}.convs.{number}"
            conv = torch.nn.functional.conv2d(features, tensors[f"{name}.weight"], tensors[f"{name}.bias"], padding=1)
            features = conv.clamp(min=0)
        name = f"block{block}.projection"
        edge = torch.nn.functional.conv2d(features, tensors[f"{name}.weight"], tensors[f"{name}.bias"])
        told.append(torch.nn.functional.interpolate(edge, size=(64, 64), mode="bilinear"))
        features = torch.nn.functional.max_pool2d(features, 2)
    with torch.no_grad():
        assert torch.allclose(net(picture), 1 / (1 + torch.exp(-sum(told) / 5)), atol=1e-5)


def test_a_pidinet_has_as_many_numbers_as_its_makers_say():
    assert round(sum(values.numel() for values in LINES["pidinet"]().parameters()) / 1000) == 710


@pytest.mark.parametrize("kind, far", [("central", 1), ("angular", 1), ("radial", 2)])
def test_differences_see_nothing_where_all_is_alike_and_only_what_is_near(kind, far):
    weight = torch.randn(1, 1, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    made = kernel(weight, kind)
    assert abs(float(made.sum())) < 1e-12 and made.shape[-1] == 2 * far + 1
    if kind == "central":
        dice = np.random.default_rng(0).random((3, 3))
        told = sum(float(weight[0, 0, y, x]) * (dice[y, x] - dice[1, 1]) for y in range(3) for x in range(3))
        assert np.isclose(float((made[0, 0] * torch.from_numpy(dice)).sum()), told)
    if kind == "radial":  # along each of eight rays, the outer less the inner
        for ray, (y, x) in enumerate([(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)], 1):
            assert made[0, 0, 2 + 2 * y, 2 + 2 * x] == -made[0, 0, 2 + y, 2 + x]
            assert made[0, 0, 2 + 2 * y, 2 + 2 * x] in weight.flatten()[1:], ray
    if kind == "angular":  # each neighbour of the middle less the one before it around it
        ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
        for number, (y, x) in enumerate(ring):
            before = ring[number - 1]
            assert made[0, 0, y, x] == weight[0, 0, y, x] - weight[0, 0, before[0], before[1]]


def test_lines_saved_from_several_cards_are_the_same(tmp_path):
    file = make_lines(tmp_path / "models" / "one.safetensors", "pidinet")
    save_file({f"module.{name}": value for name, value in load_file(file).items()}, file.with_name("two.safetensors"))
    one, two = installed(tmp_path / "models").annotators("pidinet")
    picture = np.random.default_rng(0).random((64, 64, 3), np.float32)
    assert np.array_equal(*(Models(device="cpu").annotator(entry)(picture, 64) for entry in (one, two)))


def test_a_oneformer_is_told_its_task_and_tells_a_class_for_each_pixel(tmp_path):
    make_questioned(tmp_path / "models" / "areas")
    (entry,) = installed(tmp_path / "models").annotators("seg")
    tell = Models(device="cpu").annotator(entry)
    # What transformers' own processor says to it: begin, "the task is semantic", end, nothing.
    assert tell.task.shape == (1, 77) and tell.task[0, :7].tolist() == [49406, 518, 10549, 533, 29119, 1550, 49407]
    assert not tell.task[0, 7:].any()
    picture = np.random.default_rng(0).random((48, 80, 3), np.float32)
    classes = tell(picture)
    assert classes.shape == (48, 80) and 0 <= classes.min() < 150
    what, where = torch.full((1, 6, 151), -9.0), torch.full((1, 6, 8, 8), -9.0)
    what[0, :, 150] = 0.0  # nothing
    what[0, 0, 7], what[0, 1, 30] = 9.0, 9.0
    where[0, 0, :, :4], where[0, 1, :, 4:] = 9.0, 9.0
    said = {"transformer_decoder_class_predictions": what, "transformer_decoder_mask_predictions": where}
    tell.model.forward = lambda pixels, task_inputs: type("Answer", (), said)
    classes = tell(picture)
    assert (classes[:, :35] == 7).all() and (classes[:, 45:] == 30).all()


def test_a_oneformer_on_layers_that_are_in_no_library_here_is_refused(tmp_path):
    folder = make_questioned(tmp_path / "models" / "other")
    told = json.loads((folder / "config.json").read_text("utf-8"))
    told["backbone_config"]["model_type"] = "dinat"
    (folder / "config.json").write_text(json.dumps(told), "utf-8")
    index = ModelIndex([tmp_path / "models"], starter=False)
    assert not index.entries() and "DiNAT" in index.refused["other"]


def test_straight_lines_are_found_in_their_places_whatever_the_picture_measures(tmp_path):
    make_lines(tmp_path / "models" / "lines.safetensors", "mlsd")
    (entry,) = installed(tmp_path / "models").annotators("mlsd")
    find = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((100, 200, 3), np.float32)
    assert find(picture, 128).shape == (200, 5)
    said = torch.full((1, 9, 64, 128), -20.0)  # half the size that it looks at, which is 128 x 256
    said[0, 0, 30, 40] = 3.0
    said[0, 1:5, 30, 40] = torch.tensor([-10.0, 0.0, 20.0, 5.0])
    find.net = lambda seen: said
    x0, y0, x1, y1, sure = find(picture, 128)[0]
    ends = [30 * 200 / 128, 30 * 100 / 64, 60 * 200 / 128, 35 * 100 / 64]
    assert np.allclose([x0, y0, x1, y1], ends, atol=1e-3)
    assert np.isclose(sure, 1 / (1 + np.exp(-3.0)))


@pytest.mark.parametrize("kind", ["segformer", "upernet", "dpt"])
def test_a_segmenter_tells_a_class_for_each_pixel(tmp_path, kind):
    make_segmenter(tmp_path / "models" / "areas", kind)
    (entry,) = installed(tmp_path / "models").annotators("seg")
    tell = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((48, 80, 3), np.float32)
    classes = tell(picture)
    assert classes.shape == (48, 80) and 0 <= classes.min() < classes.max() < 150
    assert np.array_equal(classes, tell(picture)) and not np.array_equal(classes, tell(picture * 0))


@pytest.mark.parametrize("kind", ["yolos", "detr", "conditional_detr", "rt_detr", "rt_detr_v2"])
def test_a_finder_gives_boxes_in_pixels_the_surest_first(tmp_path, kind):
    make_finder(tmp_path / "models" / "finder", kind)
    (entry,) = installed(tmp_path / "models").annotators("person")
    find = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((60, 90, 3), np.float32)
    people = find(picture)
    assert people.shape == (6, 5) and (np.diff(people[:, 4]) <= 0).all() and (people[:, 2:4] >= 0).all()
    many = people.shape[0]
    told = {"logits": torch.zeros(1, many, 4), "pred_boxes": torch.full((1, many, 4), 0.5)}
    told["logits"][0, 2, find.person] = 5.0
    told["pred_boxes"][0, 2] = torch.tensor([0.5, 0.25, 0.2, 0.5])
    find.model.forward = lambda pixel_values: type("Answer", (), told)
    assert np.allclose(find(picture)[0, :4], (36, 0, 18, 30), atol=1e-4)


def test_joints_lie_where_the_heat_is_in_each_persons_box(tmp_path):
    make_poser(tmp_path / "models" / "poses")
    (entry,) = installed(tmp_path / "models").annotators("openpose")
    pose = Models(device="cpu").annotator(entry)
    picture = np.random.default_rng(0).random((80, 120, 3), np.float32)
    boxes = np.array([[10, 10, 30, 40], [70, 20, 30, 40]], np.float32)
    joints = pose(picture, boxes)
    assert joints.shape == (2, 17, 3) and not np.array_equal(joints[0], joints[1])
    assert pose(picture, boxes[:0]).shape == (0, 17, 3)
    heat = torch.zeros(1, 17, 17, 13)
    heat[0, :, 8, 6] = 2.0
    pose.model.forward = lambda pixels, **more: type("Answer", (), {"heatmaps": heat})
    # The middle of the heat is the middle of the box, which the frame keeps.
    assert np.allclose(pose(picture, boxes)[:, :, :2], [[[25, 30]], [[85, 40]]], atol=1e-4)
    heat[0, :, 8, 6], heat[0, :, 0, 12] = 0.0, 2.0  # the corner: 50 high and 37.5 wide around the middle
    assert np.allclose(pose(picture, boxes)[0, 0], (25 + 18.75, 30 - 25, 2.0), atol=1e-4)


def test_a_person_is_seen_upright_where_its_box_lies(tmp_path):
    make_poser(tmp_path / "models" / "poses")
    (entry,) = installed(tmp_path / "models").annotators("openpose")
    pose = Models(device="cpu").annotator(entry)
    seen = []
    heat = torch.zeros(1, 17, 16, 12)
    pose.model.forward = lambda pixels, **more: (seen.append(pixels), type("Answer", (), {"heatmaps": heat}))[1]
    picture = np.zeros((200, 200, 3), np.float32)
    picture[100:, :, 0] = 1  # the lower half is red
    pose(picture, np.array([[85, 80, 30, 40]], np.float32))
    (pixels,) = seen
    red = pixels[0, 0] * 0.229 + 0.485
    assert pixels.shape == (1, 3, 64, 48) and torch.allclose(red[:30], torch.zeros(30, 48), atol=1e-5)
    assert torch.allclose(red[34:], torch.ones(30, 48), atol=1e-5)


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda folder: make_segmenter(folder, classes=19), "19 classes"),
        (lambda folder: make_poser(folder, joints=21), "21 points"),
    ],
)
def test_models_of_other_things_are_refused_for_what_they_are(tmp_path, build, words):
    build(tmp_path / "models" / "other")
    index = ModelIndex([tmp_path / "models"], starter=False)
    assert not index.entries() and words in index.refused["other"]


def test_a_network_that_lacks_a_layer_is_refused(tmp_path):
    file = make_lines(tmp_path / "models" / "lines.safetensors", "mlsd")
    tensors = load_file(file)
    del tensors["block16.conv1.0.weight"]
    save_file(tensors, file)
    (entry,) = installed(tmp_path / "models").annotators("mlsd")
    with pytest.raises(Unsupported, match="not whole"):
        Models(device="cpu").annotator(entry)
