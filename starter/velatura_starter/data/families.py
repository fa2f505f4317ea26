"""Which programs draw which material: family A trains the model, family B only the judge.

The families share no program, so the judge never sees the constructions that it judges.
"""

from __future__ import annotations

from . import built_a, built_b, mixed_b, soft_a, soft_b
from .textures import Program


def family_a() -> dict[str, tuple[Program, ...]]:
    """The programs that train the model, by material."""
    return {
        "brick": (built_a.brick,),
        "cobblestone": (built_a.pebbles,),
        "hexagon tiles": (built_a.hexagon_tiles,),
        "square tiles": (built_a.square_tiles,),
        "checkerboard": (built_a.checkerboard,),
        "planks": (built_a.planks,),
        "wood grain": (built_a.wood_grain,),
        "roof tiles": (built_a.roof_tiles,),
        "corrugated metal": (built_a.corrugated_metal,),
        "diamond plate": (built_a.diamond_plate,),
        "concrete": (built_a.concrete,),
        "terrazzo": (built_a.terrazzo,),
        "cracked earth": (built_a.cracked_earth,),
        "grass": (soft_a.grass,),
        "basket weave": (soft_a.basket_weave,),
        "plaid": (soft_a.plaid,),
        "knit": (soft_a.knit,),
        "denim": (soft_a.denim,),
        "scales": (soft_a.scales,),
        "polka dots": (soft_a.polka_dots,),
        "stripes": (soft_a.stripes,),
        "camouflage": (soft_a.camouflage,),
        "water": (soft_a.water,),
        "marble": (soft_a.marble,),
    }


def family_b() -> dict[str, tuple[Program, ...]]:
    """The programs that train the judge, by material."""
    return {
        "brick": (built_b.brick, mixed_b.rough_brick),
        "cobblestone": (built_b.cobblestone, mixed_b.round_stones),
        "hexagon tiles": (built_b.hexagon_tiles,),
        "square tiles": (built_b.square_tiles,),
        "checkerboard": (built_b.checkerboard, mixed_b.lined_checker),
        "planks": (built_b.planks,),
        "wood grain": (built_b.wood_grain, built_b.flat_sawn, mixed_b.straight_wood),
        "roof tiles": (built_b.roof_tiles, mixed_b.shingles),
        "corrugated metal": (built_b.corrugated_metal,),
        "diamond plate": (built_b.diamond_plate, mixed_b.plate_lozenges),
        "concrete": (built_b.concrete, mixed_b.cast_concrete, mixed_b.dusty_concrete),
        "terrazzo": (built_b.terrazzo, mixed_b.big_terrazzo),
        "cracked earth": (built_b.cracked_earth,),
        "grass": (soft_b.grass,),
        "basket weave": (soft_b.basket_weave, soft_b.lattice_weave),
        "plaid": (soft_b.plaid,),
        "knit": (soft_b.knit, mixed_b.stocking),
        "denim": (soft_b.denim,),
        "scales": (soft_b.scales, mixed_b.round_scales),
        "polka dots": (soft_b.polka_dots, mixed_b.disc_dots),
        "stripes": (soft_b.stripes,),
        "camouflage": (soft_b.camouflage, mixed_b.blob_camouflage),
        "water": (soft_b.water, soft_b.ridged_water),
        "marble": (soft_b.marble, mixed_b.fine_marble),
    }


def material_names() -> tuple[str, ...]:
    """The materials in label order."""
    return tuple(family_a())
