"""The rule that Slipway never takes a name on an engine that somebody else's image bears."""

from activities.ports.engine import ContainerEngine
from models.rules.errors.engine import ForeignImage
from models.rules.run_contract import Label


async def refuse_foreign(engine: ContainerEngine, instance: str, reference: str) -> None:
    """Raise ForeignImage when the engine holds an image under this name:tag that is not ours. A pure read."""
    present = await engine.image(reference)
    if present is not None and present.labels.get(Label.INSTANCE) != instance:
        raise ForeignImage(
            f"The engine already holds an image {reference} that this Slipway did not build; it is never overwritten."
            " Choose another image_name or tag, or remove that image from the builder host."
        )
