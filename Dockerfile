# Airbyte's image for Python connectors; metadata.yaml names the same one.
ARG BASE_IMAGE=docker.io/airbyte/python-connector-base:4.1.0@sha256:1d1aa21d34e851df4e8a87b391c27724c06e2597608e7161f4d167be853bd7b6

FROM ${BASE_IMAGE} AS builder
WORKDIR /build
# The dependencies come first, in a layer that changes with their pins only.
COPY requirements/runtime.txt requirements/
RUN python -m pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY bin/build_backend.py bin/
COPY source_clockify source_clockify
RUN python -m pip install --no-cache-dir --no-deps .

FROM ${BASE_IMAGE}
COPY --from=builder /usr/local /usr/local
WORKDIR /airbyte/integration_code
COPY main.py ./
USER airbyte
# Absolute, because Airbyte starts the connector in a working directory of its own.
ENV AIRBYTE_ENTRYPOINT="python /airbyte/integration_code/main.py"
ENTRYPOINT ["python", "/airbyte/integration_code/main.py"]
LABEL io.airbyte.name=ghcr.io/owner_not_set/source-clockify \
      io.airbyte.version=0.2.0 \
      org.opencontainers.image.version=0.2.0 \
      org.opencontainers.image.title="Clockify (change tracking)" \
      org.opencontainers.image.source=https://github.com/owner_not_set/source-clockify \
      org.opencontainers.image.documentation=https://github.com/owner_not_set/source-clockify/blob/main/docs/integrations/sources/clockify.md \
      org.opencontainers.image.licenses=MIT
