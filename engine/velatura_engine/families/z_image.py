"""Z-Image: text and picture in a single stream of one transformer (Tongyi, arXiv 2511.22699)."""

from . import FAMILIES, PICTURES, QWEN_WORDS, Family, Flow, Led, Loose
from . import _flow_configs as configs
from ._transformer import follows, has, pairs

_ORIGINALS = {
    "x_embedder": ("all_x_embedder.2-1",), "final_layer.linear": ("all_final_layer.2-1.linear",),
    "final_layer.adaLN_modulation.1": ("all_final_layer.2-1.adaLN_modulation.1",),
    **{
        f"{row}.*.attention.{old}": tuple(f"{row}.*.attention.{one}" for one in new)
        for row in ("layers", "noise_refiner", "context_refiner")
        for old, new in {
            "qkv": ("to_q", "to_k", "to_v"), "out": ("to_out.0",), "q_norm": ("norm_q",), "k_norm": ("norm_k",),
        }.items()
    },
}  # fmt: skip


@FAMILIES.part("z_image", "Z-Image")
def build() -> Family:
    """Z-Image and Z-Image Turbo, which is distilled to eight steps without guidance."""
    pipeline = "ZImagePipeline"
    return Family(
        id="z_image",
        title="Z-Image",
        detect=lambda shapes: (
            has(shapes, "cap_embedder.1.weight", "noise_refiner.0.adaLN_modulation.0.weight", "x_pad_token")
            and not has(shapes, "siglip_embedder.1.weight")
        ),
        pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
        components={
            "vae": PICTURES, "transformer": "ZImageTransformer2DModel",
            "text_encoder": "Qwen3Model", "tokenizer": QWEN_WORDS,
        },
        denoiser="transformer",
        readers=(),
        flow=Flow(
            said=("cap_feats", ""),
            given=("prompt_embeds", ""),
            unguided={"guidance_scale": 0.0},
            packing="list",
            tokens=512,
            tokenizer="tokenizer",
            classes=(pipeline, "ZImageImg2ImgPipeline", "ZImageInpaintPipeline"),
            originals=_ORIGINALS,
            led=Led(
                net="ZImageControlNetModel",
                answers={"controlnet_block_samples": "layers"},
                hint="control_context",
                borrows=(
                    "t_scale", "t_embedder", "all_x_embedder", "cap_embedder", "rope_embedder", "noise_refiner",
                    "context_refiner", "x_pad_token", "cap_pad_token",
                ),
                reads=("canny", "softedge", "depth", "openpose", "mlsd"),
            ),
            loose=Loose(
                config=configs.z_image,
                schedule=configs.z_image_schedule,
                texts={"text_encoder": "qwen3"},
                vae=configs.FLUX_VAE,
                called=("ae", "flux", "flux1", "z", "zimage"),
            ),
        ),
        controls="z_image",
        detect_control=lambda shapes: follows(
            shapes, "control_all_x_embedder.2-1.weight", "control_layers.0.after_proj.weight"
        ),
        stride=pairs,
        native_size=1024,
        # The turbo, by far the more common, was distilled so; nothing in the files tells the two apart.
        steps=8,
        guidance=1.0,
    )  # fmt: skip
