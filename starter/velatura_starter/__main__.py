"""Train the starter model again from nothing, or score the weights that ship."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

STAGES = ("vae", "unet", "controlnet", "guided", "details", "judge", "material", "all")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(prog="python -m velatura_starter", description=__doc__)
    verbs = root.add_subparsers(dest="verb", required=True)
    train = verbs.add_parser("train", help="train the model and the judges from procedural data")
    train.add_argument("--minutes", type=float, default=110.0, help="for all the stages named, in their usual shares")
    train.add_argument(
        "--stage", choices=STAGES, nargs="+", default=["all"], help="one or several; all: all but the material network"
    )
    train.add_argument("--out", type=Path, default=Path("starter-weights"), help="where the weights go")
    train.add_argument(
        "--checkpoints", type=Path, default=Path("starter-run"), help="checkpoints and caches; resumes from it"
    )
    train.add_argument("--from-weights", type=Path, help="a weights folder to go on from, instead of from nothing")
    score = verbs.add_parser("evaluate", help="print the scores of the weights")
    score.add_argument("--json", action="store_true", help="machine-readable")
    score.add_argument("--material", action="store_true", help="of the material network instead")
    score.add_argument("--weights", type=Path, default=None, help="another weights folder than the one that ships")
    return root


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb."""
    asked = parser().parse_args(arguments)
    if asked.verb == "train":
        from .training.stages import prepare, train

        prepare()
        train(asked.checkpoints, asked.out, names=asked.stage, minutes=asked.minutes, start=asked.from_weights)
        return 0
    from .evaluate import evaluate, evaluate_material, lines, material_lines

    if asked.material:
        scores = evaluate_material(asked.weights)
        print(json.dumps(scores, indent=2) if asked.json else "\n".join(material_lines(scores)))
        return 0
    scores = evaluate(asked.weights)
    print(json.dumps(scores, indent=2) if asked.json else "\n".join(lines(scores)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
