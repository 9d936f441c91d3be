# The service and its models, without TensorFlow. Needs no network once built.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS dependencies
# cpu, or cuda for onnxruntime's GPU build with NVIDIA's libraries
ARG ACCELERATOR=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv /opt/passerelle
WORKDIR /build
COPY requirements.lock .
RUN /opt/passerelle/bin/pip install --require-hashes --requirement requirements.lock
# Both builds of onnxruntime are one Python package under two names, so one takes the place of the other.
RUN if [ "$ACCELERATOR" = cuda ]; then \
        version=$(/opt/passerelle/bin/python -c 'import importlib.metadata as m; print(m.version("onnxruntime"))') \
        && /opt/passerelle/bin/pip uninstall --yes onnxruntime \
        && /opt/passerelle/bin/pip install "onnxruntime-gpu[cuda,cudnn]==$version"; \
    elif [ "$ACCELERATOR" != cpu ]; then \
        echo "ACCELERATOR is '$ACCELERATOR', it must be cpu or cuda" >&2; exit 1; \
    fi
RUN /opt/passerelle/bin/pip uninstall --yes pip setuptools

FROM ${BASE_IMAGE}
RUN groupadd --gid 10001 passerelle && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin passerelle
COPY --from=dependencies /opt/passerelle /opt/passerelle
# With ACCELERATOR=cuda NVIDIA's libraries are Python packages, where the loader would not look.
RUN find /opt/passerelle -type d -path '*/nvidia/*/lib' > /etc/ld.so.conf.d/passerelle.conf && ldconfig
WORKDIR /srv/passerelle
COPY models ./models
COPY app ./app
# The converter of published models, for `passerelle models install`; the service itself imports nothing of it.
COPY training ./training
# What callers leave here; a volume goes over it, and takes its owner.
RUN install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/passerelle
ENV PATH=/opt/passerelle/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    MODELS_DIR=/srv/passerelle/models:/var/lib/passerelle/models \
    PASSERELLE_DATA_DIR=/var/lib/passerelle \
    PASSERELLE_HOST=0.0.0.0
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s --retries=3 CMD ["python", "-m", "app.healthcheck"]
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
