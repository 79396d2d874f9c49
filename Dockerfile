# One image for the API, the worker and the migrations; the command selects:
#   helpdesk serve --host 0.0.0.0    (the default)
#   helpdesk worker
#   helpdesk migrate
# Any base will do that has Python 3.11 or newer as `python3`, with its venv module.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim

FROM ${BASE_IMAGE} AS build
# Where packages come from; unset, pip decides. Every one is checked against the hash in the lock.
ARG PIP_INDEX_URL
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /app
COPY requirements/base.txt requirements/build.txt requirements/
# pip and the build back end stay behind in an environment of their own: what runs needs neither.
RUN python3 -m venv /opt/build \
    && /opt/build/bin/pip install --require-hashes --requirement requirements/build.txt \
    && python3 -m venv --without-pip /opt/helpdesk \
    && /opt/build/bin/pip --python /opt/helpdesk/bin/python install \
        --require-hashes --only-binary :all: --requirement requirements/base.txt
COPY LICENSE pyproject.toml ./
COPY src src
# The code stays where it lies in the source tree, so the migrations beside it are found by the same path everywhere.
RUN /opt/build/bin/python -c "from hatchling.build import build_editable; build_editable('/opt/build')" \
    && /opt/build/bin/pip --python /opt/helpdesk/bin/python install --no-deps /opt/build/helpdesk_api-*.whl \
    && /opt/helpdesk/bin/python -m compileall -q src
COPY alembic.ini ./
COPY migrations migrations

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="helpdesk-api" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/helpdesk /opt/helpdesk
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/opt/helpdesk/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    HELPDESK_ENVIRONMENT=production
# A number, so that an orchestrator can tell that it is not root. The user owns nothing here and cannot change the code.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# For the API; the worker answers for itself by `python -m helpdesk_api.ops.worker_check`, as compose.yaml shows.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
ENTRYPOINT ["helpdesk"]
CMD ["serve", "--host", "0.0.0.0"]
