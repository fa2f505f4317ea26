"""Procedural training data: periodic materials and analytic depth renders, with captions and labels."""
