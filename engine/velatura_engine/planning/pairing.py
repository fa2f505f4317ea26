"""Whether a model can do what was asked of it: what would be left out, or fail on the way, is refused beforehand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from ..conditioning.prompt import Prompt
from ..errors import Invalid, Unsupported
from ..families import PICTURES, Family
from ..families import family as family_of
from ..models.entry import ModelEntry
from ..request import Depth, Diffuse, Sampling
from ..samplers import samplers
from ..shelf import Part


def check(ask: Diffuse, model: ModelEntry, family: Family, task: str, *, controlled: bool, field: str) -> None:
    """Raises Unsupported or Invalid naming the first field that does not go with the model."""
    if family.depth_channel:
        _check_depth(ask.depth, model, f"{field}.depth")
    name = family.pipeline(task, controlled, field=f"{field}.model")
    if family.edits and ask.strength not in (None, 1):
        raise Unsupported(
            f"{model.title} looks at the picture and paints it anew, always at full strength",
            field=f"{field}.init.strength", remedy="leave it out; sampling.image_guidance keeps more of the picture",
        )  # fmt: skip
    if ask.sampling.image_guidance is not None and family.image_guidance is None:
        raise Unsupported(
            f"{model.title} does not look at a picture besides", field=f"{field}.sampling.image_guidance",
            remedy="leave it out, or choose a model that edits; init.strength says how much of the picture stays",
        )  # fmt: skip
    if ask.invert:
        _check_inversion(ask, model, family, field)
    if model.flows:
        _check_flow(ask, model, field)
    _check_sampling(ask.sampling, model, name in family.rescaling, f"{field}.sampling")


def _check_inversion(ask: Diffuse, model: ModelEntry, family: Family, field: str) -> None:
    """Raises Unsupported where the noise of a picture cannot be found, Invalid where another noise is asked for too."""
    alone = "txt2img" in family.pipelines and not (family.depth_channel or family.mask_channel or family.edits)
    if model.flows or model.pipeline or not alone:
        raise Unsupported(
            f"{model.title} cannot be walked back to the noise of a picture", field=f"{field}.init.invert",
            remedy="leave it out, or choose a model of Stable Diffusion 1, 2 or XL that paints from words",
        )  # fmt: skip
    if ask.variation is not None:
        raise Invalid(
            f"{field}.init.invert", f"finds the noise of the picture, and {field}.variation asks for another",
            remedy="leave one of them out",
        )  # fmt: skip


def check_sampler(part: Part, model: ModelEntry, *, field: str) -> None:
    """Raises Unsupported where a sampler counts noise and the model flows along straight lines."""
    if model.flows and not part.flow:
        able = [other.id for other in samplers().parts() if other.flow]
        raise Unsupported(
            f"{part.title} cannot paint with {model.title}, which flows along straight lines to the picture",
            field=field, remedy=f"choose one of: {', '.join(able)}", suggestions=able,
        )  # fmt: skip


def check_words(model: ModelEntry, prompts: Iterable[Prompt]) -> None:
    """Raises Unsupported where prompts are to be blended that a model reads as whole sentences."""
    for prompt in prompts if model.flows or model.pipeline else ():
        if any(tree.blend for tree in prompt.trees):
            raise Unsupported(
                f"{model.title} reads whole sentences, whose meanings cannot be blended", field=prompt.field,
                remedy="part the prompt by AND, which composes what is painted for each",
            )  # fmt: skip


def check_vae(vae: ModelEntry, model: ModelEntry, *, field: str) -> None:
    """Raises Unsupported where a VAE makes other latents than the model's own: of another kind, number or size, or of
    another scale where the VAE's files tell it.
    """
    own = family_of(model.family).components.get("vae", PICTURES)
    if (vae.variant or PICTURES) != own:
        raise Unsupported(
            f"{vae.title} was not made for {model.title}: it is of another kind ({vae.variant or PICTURES}, not "
            f"{own})", field=field, reason="WRONG_BASE", remedy="use a VAE of the model's family, or leave it out",
        )  # fmt: skip
    theirs, ours = ((one.latent_channels, one.latent_factor) for one in (vae, model))
    told = bool(vae.latent_scale and model.latent_scale)
    if theirs == ours and not (told and not math.isclose(vae.latent_scale, model.latent_scale, rel_tol=1e-3)):
        return
    why = f"{theirs[0]} channels, {theirs[1]} pixels a latent" if theirs != ours else f"a scale of {vae.latent_scale:g}"
    own = f"{ours[0]} channels, {ours[1]} pixels a latent" if theirs != ours else f"{model.latent_scale:g}"
    raise Unsupported(
        f"{vae.title} was not made for {model.title}: it has {why}, the model {own}", field=field, reason="WRONG_BASE",
        remedy="use a VAE of the model's family, or leave it out",
    )  # fmt: skip


def check_area(canvas: tuple[int, int], count: int, limit: int | None, *, field: str) -> None:
    """Raises Invalid where all pictures together are larger than allowed, whatever their size was taken from."""
    pixels = canvas[0] * canvas[1] * count
    if limit is not None and pixels > limit:
        raise Invalid(
            f"{field}.width", f"{canvas[0]} x {canvas[1]}, {count} times, is {pixels} pixels; allowed are {limit}",
            remedy="ask for a smaller picture, or for fewer at once",
        )  # fmt: skip


def check_texels(sizes: Sequence[tuple[int, int]], limit: int | None, *, field: str) -> None:
    """Raises Invalid where all textures of a projection together are larger than allowed."""
    texels = sum(width * height for width, height in sizes)
    if limit is not None and texels > limit:
        raise Invalid(
            f"{field}.targets", f"have textures of {texels} texels together; allowed are {limit}",
            remedy="ask for smaller textures, or for fewer surfaces at once",
        )  # fmt: skip


def _check_depth(depth: Depth | None, model: ModelEntry, field: str) -> None:
    if depth is None:
        raise Unsupported(
            f"{model.title} paints only over depth", field=field, remedy="send a depth map, or choose another model"
        )
    if depth.model is not None:
        raise Unsupported(
            f"{model.title} reads depth by itself, without {depth.model}", field=f"{field}.model",
            remedy="leave it out, or choose a model that needs a ControlNet",
        )  # fmt: skip
    if depth.strength not in (None, 1):
        raise Unsupported(
            f"{model.title} reads depth by itself, always at full strength", field=f"{field}.strength",
            remedy="leave it out, or choose a model that follows depth by a ControlNet",
        )  # fmt: skip


def _check_flow(ask: Diffuse, model: ModelEntry, field: str) -> None:
    """What only models that count noise can do."""
    for name in ("clip_skip", "eta", "cache_interval"):
        if getattr(ask.sampling, name) is not None:
            raise Unsupported(
                f"{model.title} has no use for {name}", field=f"{field}.sampling.{name}", remedy="leave it out"
            )
    if ask.directions:
        raise Unsupported(
            f"{model.title} reads whole sentences, which no direction turns", field=f"{field}.directions",
            remedy="say it in the prompt, or choose a model that counts noise",
        )  # fmt: skip


def check_side(canvas: tuple[int, int], model: ModelEntry, *, field: str) -> None:
    """Raises Invalid where a side is longer than the model can count."""
    for name, side in zip(("width", "height"), canvas, strict=True):
        if model.max_side and side > model.max_side:
            raise Invalid(
                f"{field}.{name}", f"{model.title} paints {model.max_side} pixels a side at most, got {side}",
                remedy="ask for less, and enlarge the picture after",
            )  # fmt: skip


def _check_sampling(ask: Sampling, model: ModelEntry, rescales: bool, field: str) -> None:
    if ask.guidance_rescale and not rescales:
        raise Unsupported(
            f"{model.title} can rescale its guidance only where it paints from words alone",
            field=f"{field}.guidance_rescale", remedy="leave it out, or lower the guidance",
        )  # fmt: skip
    if ask.clip_skip is not None and ask.clip_skip >= model.text_layers:
        raise Invalid(
            f"{field}.clip_skip", f"{model.title} has {model.text_layers} layers of text, one must be left",
            remedy=f"leave out {model.text_layers - 1} at most",
        )  # fmt: skip
