# The same with packages of your own, from the index that pip is set up for in BASE. That has to be what Continuo's images
# were built on: their environment refers to its Python. In this folder:
#   docker build --file packages.Dockerfile --tag my-agents:1 .
ARG BASE=python:3.13-slim-trixie
ARG CONVERSATION=continuo-conversation:0.1.0

FROM ${CONVERSATION} AS conversation

FROM ${BASE} AS packages
COPY --from=conversation /app/.venv /app/.venv
COPY requirements.txt /packages/
WORKDIR /packages
# The images hold no pip, so one is made here. It sees what is installed there, keeps to it, and puts only more aside.
RUN python3 -m venv pip && \
    pip/bin/pip --python /app/.venv/bin/python freeze > held.txt && \
    pip/bin/pip --python /app/.venv/bin/python install --prefix more --constraint held.txt --requirement requirements.txt

FROM ${CONVERSATION}
COPY --from=packages /packages/more /app/.venv
COPY my_agents /app/my_agents
