# One image for every process; the command says which (see compose.yaml).
FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /opt/venv
COPY requirements.lock .
# Wheels only, each checked by its hash: nothing is compiled, so nothing to compile with is needed.
RUN /opt/venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --only-binary :all: --require-hashes -r requirements.lock

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin trialog \
    && install -d -o trialog -g trialog -m 0700 /data
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY pyproject.toml .env.example ./
COPY domain domain
COPY infrastructure infrastructure
COPY projections projections
COPY command_api command_api
COPY query_api query_api
COPY workers workers
RUN /opt/venv/bin/python -m compileall -q .
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TRIALOG_DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=8000 \
    LOG_FORMAT=json
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["python", "-m", "infrastructure", "serve"]
