"""Every sampler of the shelf in every task, through the whole engine."""

from __future__ import annotations

import numpy as np
import pytest
from contract.lab import SIDE, TASKS, array, noise, quick
from velatura_engine.samplers import samplers


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", [part.id for part in samplers().parts()])
def test_every_sampler_paints_in_every_task(lab, name: str, task: str):
    job = quick(sampler=name, steps=6, tile="x", **TASKS[task])
    first, again = (lab.result(job).images[0].data for _ in range(2))
    picture = array(first)
    assert first == again
    assert picture[:, : SIDE // 2].std() > 1
    if task == "inpaint":
        assert np.array_equal(picture[:, SIDE // 2 :], noise()[:, SIDE // 2 :])


@pytest.mark.parametrize("part", samplers().parts(), ids=lambda part: part.id)
def test_a_recipe_of_every_sampler_names_its_schedule_and_all_its_knobs(lab, part):
    (step,) = lab.result(quick(sampler=part.id, schedule=part.schedules[-1], steps=3)).resolved.steps
    sampling = step.diffuse.sampling
    assert (sampling.sampler, sampling.schedule) == (part.id, part.schedules[-1])
    assert set(sampling.knobs) == {knob.name for knob in part.knobs}
