"""The scale subresource: one number of an object, seen and written alone."""

from tests.cluster.errors import conflict, invalid
from tests.cluster.kinds import selector_text
from tests.cluster.objects import Object, at


def as_scale(thing: Object) -> Object:
    """The object as autoscaling/v1 Scale."""
    metadata = thing["metadata"]
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {key: metadata[key] for key in kept if key in metadata},
        "spec": {"replicas": at(thing, "spec", "replicas", default=0)},
        "status": {"replicas": at(thing, "status", "replicas", default=0), "selector": selector_text(thing)},
    }


def scaled_by(stored: Object, scale: Object) -> Object:
    """The object with the number of that Scale.

    Raises ApiError 409 where the Scale was read from another version.
    """
    version = at(scale, "metadata", "resourceVersion")
    if version and version != stored["metadata"]["resourceVersion"]:
        raise conflict(f'"{stored["metadata"]["name"]}": the object has been modified')
    replicas = scale["spec"]["replicas"]
    if not isinstance(replicas, int) or replicas < 0:
        raise invalid(f"spec.replicas: {replicas!r} is no count")
    return {**stored, "spec": {**stored["spec"], "replicas": replicas}}
