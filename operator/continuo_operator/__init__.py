"""The operator: it will own connection capacity through the `ConnectionFleet` resource, on Kubernetes.

Law of the room, for what comes here: gather -> decide -> apply. `gather` reads the cluster and the census,
`decide` and `manifests` are pure, `apply` writes. It may import `services.shared`, never a service. Nothing
is here yet.

The folder above has no `__init__.py` and never gets one: it would shadow the standard library's `operator`.
"""
