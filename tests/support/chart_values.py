"""Combinations of values that people install with, by name; each lies over one of the documented installs."""

from __future__ import annotations

from typing import Any

from tests.support.chart import DEVELOPMENT, INSTALLS, PRODUCTION, WITHOUT_OPERATOR, merged

_POD = {
    "labels": {"team": "chat"},
    "annotations": {"example.org/note": "yes"},
    "nodeSelector": {"pool": "chat"},
    "tolerations": [{"key": "chat", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "priorityClassName": "high",
    "env": [{"name": "TZ", "value": "UTC"}],
    "envFrom": [{"secretRef": {"name": "keys"}}],
    "volumes": [{"name": "more", "configMap": {"name": "more"}}],
    "volumeMounts": [{"name": "more", "mountPath": "/more", "readOnly": True}],
}
_PEERS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "there"}}}]
_SCALING = {"enabled": True, "prometheusAddress": "http://prometheus.monitoring:9090"}

ON_PRODUCTION: dict[str, dict[str, Any]] = {
    "plain": {},
    "another name": {"fullnameOverride": "chat"},
    "another chart name": {"nameOverride": "talk"},
    "pull secrets": {"images": {"pullSecrets": [{"name": "pull"}], "tag": "1.2.3"}},
    "keys of an issuer": {
        "tokens": {
            "existingSecret": "",
            "jwksUrl": "https://id.example.org/jwks",
            "audience": "chat",
            "issuer": "id",
        }
    },
    "keys of an issuer, probed": {
        "tokens": {"existingSecret": "", "jwksUrl": "https://id.example.org/jwks"},
        "probe": {"tokenSecret": "probe"},
    },
    "keys of an issuer inside": {
        "tokens": {"existingSecret": "", "jwksUrl": "http://keycloak.id.svc:8080/certs"}
    },
    "both kinds of tokens": {"tokens": {"jwksUrl": "https://id.example.org/jwks"}},
    "names of keys": {"tokens": {"hmacKey": "a", "hmacPreviousKey": "b"}, "admin": {"tokensKey": "c"}},
    "no api": {"api": {"existingSecret": ""}},
    "a user of Redis": {"redis": {"username": "chat", "master": "mymaster", "passwordKey": "redis-password"}},
    "settings of all": {"settings": {"ACKS": "master", "PARTITIONS": 128, "GRACE_S": 7.5}},
    "settings of one": {
        "connection": {"settings": {"PING_S": 20, "OUTBOX_BYTES": 4194304}},
        "conversation": {"settings": {"MODEL": "openai:gpt-5", "LEASE_S": 4}},
        "presence": {"settings": {"CONVERSATION_TTL_S": 31536000}},
    },
    "own agents": {
        "conversation": {
            "image": "registry.example.org/agents:1",
            "graphs": {"assistant": "my_agents.graph:build", "other": "my_agents.other:graph"},
            "envFrom": [{"secretRef": {"name": "model-keys"}}],
        }
    },
    "placed pods": dict.fromkeys(("connection", "conversation", "presence", "operator"), _POD),
    "own spread": {
        "connection": {
            "topologySpreadConstraints": [
                {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
            ]
        }
    },
    "small surge": {"connection": {"maxSurge": "25%"}},
    "surge by number": {"connection": {"maxSurge": 2}, "conversation": {"maxSurge": 1}},
    "slow propagation": {"drain": {"propagationSeconds": 60}},
    "large fleet": {
        "drain": {"capacityPerPod": 20000, "podRatePerSecond": 400, "fleetRatePerSecond": 4000},
        "operator": {"scaling": {"max": 100, "targetConnectionsPerPod": 15000}},
    },
    "long grace": {"drain": {"fleetRatePerSecond": 20, "maxGraceSeconds": 3600}},
    "external owner": {"operator": {"scaling": {"owner": "External"}}},
    "tainted nodes": {"operator": {"drainTaintedNodes": True}},
    "paused": {"operator": {"paused": True}},
    "slow scaling": {
        "operator": {"scaling": {"up": {"windowSeconds": 60, "maxStep": 1}, "down": {"windowSeconds": 900}}}
    },
    "workers by queue": {"conversation": {"autoscaling": _SCALING}},
    "long turns": {"conversation": {"drainSeconds": 900}},
    "no way in": {"httpRoute": {"enabled": False}},
    "load balancer": {
        "connection": {
            "service": {"type": "LoadBalancer", "port": 443, "annotations": {"example.org/idle": "3600"}}
        }
    },
    **{
        f"ingress {preset}": {
            "httpRoute": {"enabled": False},
            "ingress": {
                "enabled": True,
                "preset": preset,
                "className": preset,
                "hosts": ["chat.example.org"],
                "tls": [{"hosts": ["chat.example.org"], "secretName": "tls"}],
            },
        }
        for preset in ("none", "nginx", "haproxy", "haproxy-ingress", "alb", "traefik")
    },
    "no policies": {"networkPolicy": {"enabled": False}},
    "close policies": {
        "networkPolicy": {
            "parties": {
                **{
                    one: {"peers": _PEERS}
                    for one in ("clients", "prometheus", "dns", "apiServer", "redisOutside")
                },
                "models": {"enabled": False},
                "otlp": {"enabled": True, "peers": _PEERS},
            }
        }
    },
    "no prometheus": {
        "podMonitor": {"enabled": False},
        "networkPolicy": {"parties": {"prometheus": {"enabled": False}}},
    },
    "watched": {
        "alerts": {"enabled": True, "labels": {"release": "prometheus"}, "runbooks": "https://example.org/"},
        "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Chat"}},
    },
    "traced": {"tracing": {"endpoint": "http://otel-collector.monitoring:4317"}},
    "traced elsewhere": {
        "tracing": {
            "endpoint": "https://otlp.example.org/of/us",
            "protocol": "http/protobuf",
            "ratio": 1,
            "headersSecret": "collector",
            "headersKey": "otlp",
        },
        "settings": {"TRACES_SLOW_S": 5, "TRACES_CLIENTS": "parent"},
    },
    "spans of graphs alone": {
        "conversation": {"env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://here:4318"}]},
        "networkPolicy": {"parties": {"otlp": {"enabled": True}}},
    },
    "not audited": {"audit": {"enabled": False}},
    "audited for long": {"audit": {"days": 3650, "length": 100000000}},
    "named models": {"conversation": {"metricNames": ["gpt-5", "search"]}, "logLevel": "warning"},
    "backup": {"backup": {"enabled": True}},
    "backup elsewhere": {"backup": {"enabled": True, "existingClaim": "backups", "keep": 30}},
    "backup on a class": {"backup": {"enabled": True, "storageClass": "slow", "size": "1Ti"}},
    "no probe": {"probe": {"enabled": False}},
    "IPv6": {"listenHost": "::"},
    "own domain": {"clusterDomain": "example.internal"},
    "accounts": {"serviceAccounts": {"annotations": {"example.org/role": "chat"}}},
    "disruptions": {"connection": {"podDisruptionBudget": {"maxUnavailable": "10%"}}},
}
ON_DEVELOPMENT: dict[str, dict[str, Any]] = {
    "plain": {},
    "source synced": {"development": {"supervisor": True}, "connection": {"image": "continuo-dev:1"}},
    "backup": {"backup": {"enabled": True}},
    "no api": {"development": {"apiKey": ""}},
    "no operator": {"operator": {"enabled": False}},
}
ON_WITHOUT_OPERATOR: dict[str, dict[str, Any]] = {
    "plain": {},
    "admin port": {"admin": {"existingSecret": "continuo-admin"}},
    "watched": {"alerts": {"enabled": True}, "dashboards": {"enabled": True, "labels": {"team": "chat"}}},
    "one pod": {"connection": {"replicas": 1}, "conversation": {"replicas": 1}, "presence": {"replicas": 1}},
}

COMBINATIONS: dict[str, dict[str, Any]] = {
    f"{install}: {name}": merged(base, more)
    for install, base, overlays in (
        ("production", PRODUCTION, ON_PRODUCTION),
        ("development", DEVELOPMENT, ON_DEVELOPMENT),
        ("without operator", WITHOUT_OPERATOR, ON_WITHOUT_OPERATOR),
    )
    for name, more in overlays.items()
}
assert len(COMBINATIONS) >= 40
assert len(INSTALLS) == 3
