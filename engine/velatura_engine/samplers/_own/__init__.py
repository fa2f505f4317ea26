"""Schedulers that diffusers lacks. A package of its own, since these import torch and the shelf must not."""
