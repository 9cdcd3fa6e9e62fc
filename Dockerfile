# The CUDA container:      docker build -t xpmlp .
# For the CPU:             docker build -t xpmlp-cpu --build-arg EXTRA= .
# BASE needs Python 3.11 or later with venv; EXTRA is an extra of pyproject.toml: cuda13, cuda12, or none.
# It may be run as any user (docker run --user): what is written outside of the volumes goes to /tmp.
ARG BASE=python:3.12-slim
FROM ${BASE}
ARG EXTRA=cuda13

# pip takes an extra that does not exist for none, and would build the CPU variant without a word.
RUN case "$EXTRA" in cuda13|cuda12|"") ;; *) echo "EXTRA is $EXTRA: give cuda13, cuda12, or nothing" >&2; exit 2 ;; esac
RUN python3 -m venv /opt/xpmlp
ENV PATH=/opt/xpmlp/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    XPMLP_DATA_DIR=/data

WORKDIR /opt/xpmlp/src
COPY pyproject.toml README.md LICENSE ./
COPY xpmlp xpmlp
COPY configs configs
# CuPy's wheels bring CUDA's libraries: of the host, only the driver is needed.
RUN /opt/xpmlp/bin/pip install --no-cache-dir ".${EXTRA:+[$EXTRA]}" \
    && mkdir -p /data /workspace/runs \
    && cp -r configs /workspace/configs \
    && useradd --uid 1000 xpmlp \
    && chown -R xpmlp /data /workspace

USER xpmlp
WORKDIR /workspace
VOLUME ["/data", "/workspace/runs"]
ENTRYPOINT ["xpmlp"]
CMD ["--help"]
