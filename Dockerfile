# All images of Continuo, a target each: connection, conversation, presence, operator, tools, dev. `make images` builds
# them; docs/images.md says on which base and why so. Nothing here needs BuildKit, and with build/wheels filled (make
# images does it) nothing here needs a network: without it, pip asks the package index it is set up for.
#
# connection, conversation, presence and operator hold the interpreter, what its packages need, and no shell.
ARG BASE=python:3.13-slim-trixie

# ---- packages: from build/wheels if they are there, in the pinned versions in any case
FROM ${BASE} AS installing
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY constraints.txt build/wheel[s] /wheels/
COPY k8s/images/install.py pyproject.toml /build/
WORKDIR /build

# What all need, unpacked and compiled once.
FROM installing AS common-packages
RUN ["python3", "install.py"]

FROM common-packages AS connection-packages
RUN ["python3", "install.py", "connection"]

FROM common-packages AS presence-packages
RUN ["python3", "install.py", "presence"]

FROM common-packages AS operator-packages
RUN ["python3", "install.py", "operator"]

FROM common-packages AS tools-packages
RUN ["python3", "install.py", "tools"]

FROM common-packages AS conversation-packages
RUN ["python3", "install.py", "conversation"]

FROM conversation-packages AS dev-packages
RUN ["python3", "install.py", "connection", "conversation", "presence", "operator", "tools"]

# ---- the project itself, in a layer of its own: a change of it moves no package
FROM installing AS project
RUN ["python3", "install.py", "--build-tools"]
COPY README.md ./
COPY services services
COPY operator operator
RUN ["python3", "install.py", "--project"]

# ---- the file system of what runs in production: the base's, in one layer, without shells, tools and package managers
FROM ${BASE} AS bare
COPY k8s/images/bare.py /tmp/bare.py
RUN ["python3", "/tmp/bare.py", "--strip"]

FROM scratch AS runtime
COPY --from=bare / /
ENV PATH=/app/project/bin:/app/.venv/bin:/usr/local/bin:/usr/bin PYTHONPATH=/app/project LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001

FROM runtime AS connection
COPY --from=connection-packages /app/.venv /app/.venv
COPY --from=project /app/project /app/project
EXPOSE 8000 8080 8081
ENTRYPOINT ["python", "-m", "services.connection"]

FROM runtime AS conversation
COPY --from=conversation-packages /app/.venv /app/.venv
COPY --from=project /app/project /app/project
EXPOSE 8080
ENTRYPOINT ["python", "-m", "services.conversation"]

FROM runtime AS presence
COPY --from=presence-packages /app/.venv /app/.venv
COPY --from=project /app/project /app/project
EXPOSE 8080
ENTRYPOINT ["python", "-m", "services.presence"]

FROM runtime AS operator
COPY --from=operator-packages /app/.venv /app/.venv
COPY --from=project /app/project /app/project
EXPOSE 8080
ENTRYPOINT ["python", "-m", "continuo_operator"]

# ---- with a shell
FROM ${BASE} AS roomy
COPY k8s/images/bare.py /tmp/bare.py
RUN ["python3", "/tmp/bare.py"]
ENV PATH=/app/project/bin:/app/.venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONPATH=/app/project LANG=C.UTF-8 PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
USER 10001:10001

# For people, `helm test` and CronJobs.
FROM roomy AS tools
COPY --from=tools-packages /app/.venv /app/.venv
COPY --from=project /app/project /app/project
ENTRYPOINT ["continuo"]

# For skaffold: source that can be written, and a supervisor that drains and restarts a service when it changes.
FROM roomy AS dev
COPY --from=dev-packages /app/.venv /app/.venv
COPY --chown=10001:10001 services /app/services
COPY --chown=10001:10001 operator /app/operator
ENV PYTHONPATH=/app:/app/operator
ENTRYPOINT ["python", "-m", "services.local.devsupervisor"]
CMD ["services.connection"]
