"""Velatura for Blender: seamless textures and painting projected from the camera, made by the Velatura engine."""
