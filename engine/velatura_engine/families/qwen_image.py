"""Qwen-Image: a large transformer that reads prompts by a vision-language model (arXiv 2508.02324)."""

from . import FAMILIES, FILMS, QWEN_WORDS, Family, Flow, Led, Loose
from . import _flow_configs as configs
from ._transformer import follows, has, pairs


@FAMILIES.part("qwen_image", "Qwen-Image")
def build() -> Family:
    """Qwen-Image, which draws letters and hears long sentences."""
    pipeline = "QwenImagePipeline"
    return Family(
        id="qwen_image",
        title="Qwen-Image",
        detect=lambda shapes: has(shapes, "txt_norm.weight", "img_in.weight", "transformer_blocks.0.img_mod.1.weight"),
        pipelines={"txt2img": pipeline, "img2img": pipeline, "inpaint": pipeline},
        components={
            "vae": FILMS, "transformer": "QwenImageTransformer2DModel",
            "text_encoder": "Qwen2_5_VLForConditionalGeneration", "tokenizer": QWEN_WORDS,
        },
        denoiser="transformer",
        readers=(),
        flow=Flow(
            said=("encoder_hidden_states", "encoder_hidden_states_mask"),
            given=("prompt_embeds", "prompt_embeds_mask"),
            unguided={"true_cfg_scale": 1.0},
            packing="pairs",
            tokens=1024,
            tokenizer="tokenizer",
            renormed=True,
            classes=(pipeline, "QwenImageImg2ImgPipeline", "QwenImageInpaintPipeline"),
            led=Led(
                net="QwenImageControlNetModel",
                answers={"controlnet_block_samples": "transformer_blocks"},
                one_voice=True,
                reads=("canny", "softedge", "depth", "openpose"),
            ),
            loose=Loose(
                config=configs.qwen_image,
                schedule=configs.qwen_image_schedule,
                texts={"text_encoder": "qwen2_5"},
                vae_file="qwen_image_vae.safetensors",
                called=("qwen",),
            ),
        ),
        controls="qwen_image",
        detect_control=lambda shapes: follows(shapes, "controlnet_x_embedder.weight", "txt_norm.weight"),
        stride=pairs,
        native_size=1328,
        steps=50,
        guidance=4.0,
    )  # fmt: skip
