"""Users' models: what lies in the models folder is found by its content and paints, in either packing."""

from __future__ import annotations

from contract.lab import noise
from velatura import pixels


def test_each_model_is_listed_by_what_it_is(lab):
    found = {model.id: (model.kind, model.family) for model in lab.engine.catalog().models}
    assert found == {
        "deep-likeness": ("ip_adapter", "sd1"),
        "eyes": ("image_encoder", ""),
        "faces": ("material", ""),
        "iid": ("material", ""),
        "likeness": ("ip_adapter", "sd1"),
        "likeness-face": ("ip_adapter", "sd1"),
        "likeness-plus": ("ip_adapter", "sd1"),
        "surfaces": ("material", ""),
        "tiny": ("checkpoint", "sd1"),
        "tiny-canny": ("controlnet", "sd1"),
        "tiny-depth": ("controlnet", "sd1"),
        "tiny-estimator": ("annotator", "depth_anything"),
        "tiny-five": ("checkpoint", "sd2_depth"),
        "tiny-nine": ("checkpoint", "sd1_inpaint"),
        "tiny-one-file": ("checkpoint", "sd1"),
        "tiny-sd1": ("checkpoint", "sd1"),
        "tiny-sketch": ("t2i", "sd1"),
    }


def test_a_single_file_paints_what_its_folder_paints(lab):
    file, folder = (lab.exact(model=name, seed=4)[0] for name in ("tiny-one-file", "tiny-sd1"))
    assert (file == folder).all()


def test_a_single_file_goes_on_from_a_picture_too(lab):
    more = {"init": pixels.from_array(noise()), "strength": 0.5}
    file, folder = (lab.exact(model=name, **more)[0] for name in ("tiny-one-file", "tiny-sd1"))
    assert (file == folder).all()
