"""A fake engine for the tests of hosts: a real gRPC server in this process that paints by arithmetic.

    with FakeEngine(token="secret") as fake, Engine.connect(fake.endpoint) as engine:
        fake.once(Script(fail=errors.OutOfMemory("It does not fit")))
        job = engine.generate(spec.texture("moss", size=64, seed=7))
        ...
        assert fake.specs[0].steps[0].diffuse.prompt.text == "moss"

Its pictures say where they came from: red grows from left to right, green from top to bottom, blue is the seed's.
"""

from .jobs import Script
from .painter import MODEL, picture
from .server import FakeEngine

__all__ = ["MODEL", "FakeEngine", "Script", "picture"]
