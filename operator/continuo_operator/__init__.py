"""The operator: it owns connection capacity through the `ConnectionFleet` resource, on Kubernetes.

Law of the room: gather -> decide -> apply, every two seconds. `gather` reads the cluster and asks each pod
for its connections; `decide` and what it rests on (`arithmetic`, `scaling`, `victims`, `rollout`, `census`,
`conditions`, `snapshot`, `plan`, `spec`) are pure; `apply` writes. All state is on the objects, so it may die
anywhere and be started anew. It may import `services.shared`, never a service.

    snapshot = await Gatherer(cluster, admin, policy).snapshot(fleet, now)
    plan = decide(snapshot, policy, now)
    await Applier(cluster, admin, policy).apply(snapshot, plan)

The folder above has no `__init__.py` and never gets one: it would shadow the standard library's `operator`.
"""
