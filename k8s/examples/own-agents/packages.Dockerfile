# The same with packages of your own, from the index that pip is set up for in BASE. That has to be what Continuo's images
# were built on: their environment refers to its Python. In this folder:
#   docker build --file packages.Dockerfile --tag my-agents:1 .
ARG BASE=python:3.13-slim-trixie
ARG CONVERSATION=continuo-conversation:0.1.0

FROM ${CONVERSATION} AS conversation

FROM ${BASE} AS packages
COPY --from=conversation /app/.venv /app/.venv
COPY requirements.txt /packages/
# The images hold no pip, so one is made here; it sees what is installed there, and keeps to it.
RUN ["python3", "-m", "venv", "/packages/pip"]
RUN ["/packages/pip/bin/pip", "--python", "/app/.venv/bin/python", "install", "--requirement", "/packages/requirements.txt"]

FROM ${CONVERSATION}
COPY --from=packages /app/.venv /app/.venv
COPY my_agents /app/my_agents
