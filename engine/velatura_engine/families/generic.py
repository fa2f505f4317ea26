"""Whatever else diffusers has a pipeline for: led as it is, for the tasks that its arguments allow."""

from . import FAMILIES, Family


@FAMILIES.part("generic", "Any pipeline of diffusers")
def build() -> Family:
    """A folder of any other pipeline class of diffusers; it does what its own arguments allow, and no more."""
    return Family(
        id="generic", title="Any pipeline of diffusers", detect=lambda _: False, pipelines={}, components={}, readers=()
    )
