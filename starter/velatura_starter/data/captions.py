"""What an artist might type for a sample: synonyms, orders, fillers, unrelated words, sometimes nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from .textures import Labels

# Nouns of each material; the first is its plain name. "{c}" may stand inside: the colour goes there.
NOUNS: dict[str, tuple[str, ...]] = {
    "brick": ("brick", "brick wall", "bricks", "brick wall", "{c} brick wall", "wall of {c} bricks", "brickwork"),
    "cobblestone": ("cobblestone", "cobblestones", "cobblestone street", "cobbles", "stone wall", "{c} stones"),
    "hexagon tiles": ("hexagon tiles", "hexagonal tiles", "hexagons", "honeycomb", "honeycomb pattern", "hex tiles"),
    "square tiles": ("square tiles", "tiles", "ceramic tiles", "bathroom tiles", "tiled wall", "{c} tiled floor"),
    "checkerboard": ("checkerboard", "checkered pattern", "checker", "chessboard", "checkered floor"),
    "planks": ("planks", "wooden planks", "wood planks", "wooden boards", "wood floor", "{c} wooden floor"),
    "wood grain": ("wood grain", "wood", "polished wood", "wood veneer", "timber", "wood board"),
    "roof tiles": ("roof tiles", "roof shingles", "shingles", "tiled roof", "roof", "{c} roof"),
    "corrugated metal": ("corrugated metal", "corrugated iron", "corrugated sheet", "ribbed metal", "metal siding"),
    "diamond plate": ("diamond plate", "tread plate", "checker plate", "metal floor plate", "diamond plate metal"),
    "concrete": ("concrete", "plaster", "concrete wall", "cement", "stucco", "plaster wall"),
    "terrazzo": ("terrazzo", "terrazzo floor", "terrazzo tiles", "terrazzo with {c} base"),
    "cracked earth": ("cracked earth", "dry cracked mud", "dried mud", "cracked ground", "dry earth", "desert ground"),
    "grass": ("grass", "lawn", "meadow", "grass field", "{c} grass", "field of {c} grass"),
    "basket weave": ("basket weave", "woven basket", "wicker", "weave", "rattan", "woven pattern"),
    "plaid": ("plaid", "tartan", "plaid fabric", "tartan cloth", "plaid shirt", "tartan pattern"),
    "knit": ("knit", "knitted wool", "knitted sweater", "wool", "knitting", "knitted fabric"),
    "denim": ("denim", "denim fabric", "jeans", "twill fabric", "denim cloth"),
    "scales": ("scales", "dragon scales", "fish scales", "reptile skin", "snake scales", "mermaid scales"),
    "polka dots": ("polka dots", "dots", "dotted pattern", "polka dot fabric", "spots"),
    "stripes": ("stripes", "striped pattern", "striped fabric", "{c} stripes", "lines"),
    "camouflage": ("camouflage", "camo", "camouflage pattern", "military camouflage", "camo fabric"),
    "water": ("water", "water surface", "pool water", "sea water", "ocean", "rippling water"),
    "marble": ("marble", "marble stone", "polished marble", "marble slab", "marble floor", "veined marble"),
}

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "red", "red", "crimson", "scarlet"),
    "orange": ("orange", "orange", "orange", "tangerine"),
    "yellow": ("yellow", "yellow", "yellow", "golden", "lemon yellow"),
    "green": ("green", "green", "green", "emerald", "dark green"),
    "cyan": ("cyan", "cyan", "turquoise", "teal", "aqua"),
    "blue": ("blue", "blue", "blue", "navy", "royal blue"),
    "purple": ("purple", "purple", "purple", "violet"),
    "pink": ("pink", "pink", "pink", "rose pink", "light pink"),
    "brown": ("brown", "brown", "brown", "chocolate", "dark brown"),
    "white": ("white", "white", "white", "snow white", "ivory"),
    "grey": ("grey", "gray", "grey", "gray", "silver"),
    "black": ("black", "black", "black", "jet black", "dark"),
}

SIZE_WORDS = {
    "small": ("small", "tiny", "fine", "small scale"),
    "large": ("large", "big", "huge", "large scale"),
}
ATTRIBUTE_WORDS = {
    "worn": ("worn", "old", "weathered", "faded"),
    "cracked": ("cracked", "with cracks", "broken", "damaged"),
    "mossy": ("mossy", "with moss", "moss covered", "overgrown"),
    "wet": ("wet", "rainy", "damp"),
    "dirty": ("dirty", "muddy", "stained", "grimy"),
}
FILLERS = (
    "seamless texture", "seamless", "texture", "tileable", "4k", "8k", "high quality", "detailed", "pbr", "material",
    "pattern", "photo", "realistic", "game texture", "albedo", "surface", "close up", "top down", "highly detailed",
    "background", "best quality", "sharp", "hd", "stylized", "hand painted", "repeating",
)  # fmt: skip
OTHERS = (
    "house", "castle", "garden", "kitchen", "city", "medieval", "modern", "fantasy", "sunny day", "for a game",
    "nice", "beautiful", "vintage", "in the forest", "exterior", "interior", "street", "trending", "blender", "art",
    "a", "the", "my", "cat", "unreal engine", "scene", "painting", "soft light", "empty", "some",
)  # fmt: skip
SHAPE_WORDS: dict[str, tuple[str, ...]] = {
    "sphere": ("sphere", "ball", "globe"),
    "cube": ("cube", "box", "block"),
    "cylinder": ("cylinder", "column", "pillar"),
    "torus": ("torus", "ring", "donut"),
    "cone": ("cone", "pointed cone"),
    "stairs": ("stairs", "steps", "staircase"),
    "terrain": ("hills", "terrain", "landscape"),
    "wall": ("wall", "plane", "flat surface"),
    "objects": ("objects", "shapes", "scene"),
}
NEGATIVES = ("blurry", "low quality", "ugly", "deformed", "watermark", "text", "noise", "dull", "seams", "bad")


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes captions from labels; all chance comes from the generator."""

    generator: torch.Generator = field(repr=False)

    def chance(self, p: float) -> bool:
        """A coin."""
        return float(torch.rand(1, generator=self.generator)) < p

    def one(self, words: tuple[str, ...]) -> str:
        """One of the words."""
        return words[int(torch.randint(len(words), (1,), generator=self.generator))]

    def subject(self, labels: Labels) -> str:
        """Colour, attribute, size and material, e.g. "large worn red brick wall"."""
        colour = self.one(COLOUR_WORDS[labels.colour])
        if labels.second:
            colour += f"{self.one((' and ', ' with ', ' & '))}{self.one(COLOUR_WORDS[labels.second])}"
        noun = self.one(NOUNS[labels.material])
        if "{c}" in noun:
            words = [noun.replace("{c}", colour)]
        elif self.chance(0.07):
            words = [f"{noun} in {colour}"]
        elif self.chance(0.06):
            words = [f"{noun}, {colour}"]
        else:
            words = [f"{colour} {noun}"]
        if labels.size in SIZE_WORDS:
            words.insert(0, self.one(SIZE_WORDS[labels.size]))
        if labels.attribute and self.chance(0.95):
            said = self.one(ATTRIBUTE_WORDS[labels.attribute])
            words.insert(len(words) if said.startswith("with") else int(self.chance(0.5)) * len(words[:-1]), said)
        return " ".join(words)

    def decorate(self, subject: str) -> str:
        """Add fillers and, sometimes, unrelated words, before or after."""
        parts = [subject]
        for _ in range(3):
            if self.chance(0.33):
                parts.insert(0 if self.chance(0.2) else len(parts), self.one(FILLERS))
        if self.chance(0.15):
            parts.insert(0 if self.chance(0.4) else len(parts), self.one(OTHERS))
        return self.one((", ", " ", ", ")).join(parts)

    def texture(self, labels: Labels) -> str:
        """A caption for a flat texture."""
        return self.decorate(self.subject(labels))

    def render(self, shape: str, labels: Labels, floor: Labels | None) -> str:
        """A caption for a rendered scene; half of them tell only the material, as texturing prompts do."""
        subject = self.subject(labels)
        if self.chance(0.5):
            return self.decorate(subject)
        said = f"{subject} {self.one(SHAPE_WORDS[shape])}"
        if floor is not None and self.chance(0.6):
            said += f" on {self.subject(floor)}{self.one((' floor', ' ground', ''))}"
        return self.decorate(said)


def every_word() -> list[str]:
    """Each phrase the grammar can use, for the tokenizer and for tests."""
    groups = [NOUNS, COLOUR_WORDS, SIZE_WORDS, ATTRIBUTE_WORDS, SHAPE_WORDS]
    phrases = [w for g in groups for words in g.values() for w in words]
    phrases += [*FILLERS, *OTHERS, *NEGATIVES, "on floor ground in and with of &"]
    return [p.replace("{c}", "").strip() for p in phrases]
