# The CUDA container:      docker build -t xpmlp .
# For the CPU:             docker build -t xpmlp:cpu --build-arg EXTRA=numba .
# BASE needs Python 3.11 or later with venv; EXTRA is an extra of pyproject.toml: cuda13, cuda12, numba, or none.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE}
ARG EXTRA=cuda13
LABEL org.opencontainers.image.title="xpmlp" \
      org.opencontainers.image.description="Multilayer perceptrons on NumPy or, on a CUDA GPU, CuPy" \
      org.opencontainers.image.licenses="MIT"

# pip takes an extra that does not exist for none, and would build the CPU variant without a word.
RUN case "$EXTRA" in cuda13|cuda12|numba|"") ;; *) echo "EXTRA is $EXTRA: give cuda13, cuda12, numba, or nothing" >&2; exit 2 ;; esac
RUN python3 -m venv /opt/xpmlp
ENV PATH=/opt/xpmlp/bin:$PATH \
    PYTHONUNBUFFERED=1

# The libraries weigh gigabytes and change seldom: with no more of the program than its version, they are a layer of
# their own. CuPy's wheels bring CUDA's libraries: of the host, only the driver is needed.
WORKDIR /opt/xpmlp/src
COPY constraints.txt pyproject.toml README.md LICENSE ./
COPY configs configs
COPY xpmlp/_version.py xpmlp/
RUN pip install --no-cache-dir --constraint constraints.txt ".${EXTRA:+[$EXTRA]}"
COPY xpmlp xpmlp
RUN pip install --no-cache-dir --no-deps --force-reinstall .

# It may be run as any user (docker run --user): all may write to these two folders. HOME is for what can be
# downloaded or compiled again: data, kernels.
RUN install --directory --mode 1777 /home/xpmlp /workspace && ln -s /opt/xpmlp/src/configs /workspace/configs
ENV HOME=/home/xpmlp \
    XPMLP_DATA_DIR=/data
USER 1000:1000
WORKDIR /workspace
ENTRYPOINT ["xpmlp"]
CMD ["--help"]
