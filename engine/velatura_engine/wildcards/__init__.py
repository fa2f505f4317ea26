"""Choices within prompts: what they look like, the files that hold them, and how one is drawn. No torch here."""
