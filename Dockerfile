# Three images: `application` (producer, batch writer, trainer, API), `page`, which speaks HTTP only, and `spark`: the
# application with Spark and its Java.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm


FROM ${PYTHON_IMAGE} AS base
RUN useradd --uid 10001 --create-home reelstream \
    && install --directory --owner reelstream --group reelstream /work /data /keys \
    && rm -rf /var/lib/apt/lists/*


FROM base AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY pyproject.toml requirements.lock README.md LICENSE ./


# Libraries come first: when reelstream's own code changes they are not installed again. Their tests and symbol tables
# are never read.
FROM builder AS page-files
RUN python -m venv --without-pip /opt/reelstream \
    && python -m pip --python /opt/reelstream/bin/python install --no-cache-dir \
        --constraint requirements.lock streamlit altair polars httpx msgspec numpy pydantic \
    && cd /opt/reelstream/lib/python3*/site-packages \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && strip --strip-unneeded _polars_runtime*/*.so
COPY src src
RUN python -m pip --python /opt/reelstream/bin/python install --no-cache-dir --no-deps .


FROM builder AS application-files
COPY src/reelstream/__init__.py src/reelstream/
RUN python -m venv --without-pip /opt/reelstream \
    && python -m pip --python /opt/reelstream/bin/python install --no-cache-dir \
        --constraint requirements.lock '.[kafka]' \
    && cd /opt/reelstream/lib/python3*/site-packages \
    && find . -type d -name tests -prune -exec rm -r {} + \
    && strip --strip-unneeded llvmlite/binding/libllvmlite.so _polars_runtime*/*.so
COPY src src
# A short run compiles every function for this machine's processor, so that no container has to.
RUN python -m pip --python /opt/reelstream/bin/python install --no-cache-dir --no-deps --force-reinstall . \
    && export NUMBA_CACHE_DIR=/var/cache/reelstream PATH=/opt/reelstream/bin:$PATH \
    && reelstream simulate /tmp/films --users 100 --items 200 --ratings 6000 \
    && reelstream run --data /tmp/films --work /tmp/work --batch-rows 2000 --until-set 3 --no-ui \
    && rm -r /tmp/films /tmp/work


# What was removed on the way stays out of these: they begin with nothing and take files only. Among those of `base` is
# the user's name.
FROM scratch AS page
ENV PATH=/opt/reelstream/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1
COPY --from=base / /
COPY --from=page-files /opt/reelstream /opt/reelstream
USER reelstream
WORKDIR /home/reelstream
ENTRYPOINT ["python", "-m", "reelstream.ui.launcher"]


FROM scratch AS application
ENV PATH=/opt/reelstream/bin:/usr/local/bin:/usr/bin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/reelstream \
    REELSTREAM_WORK=/work \
    REELSTREAM_DATA_CACHE=/data
COPY --from=base / /
COPY --from=application-files /opt/reelstream /opt/reelstream
COPY --from=application-files --chown=10001:10001 /var/cache/reelstream /var/cache/reelstream
USER reelstream
WORKDIR /home/reelstream
ENTRYPOINT ["reelstream"]
CMD ["--help"]


FROM base AS spark-base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends default-jre-headless \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && install --directory --owner reelstream --group reelstream /spark


# In a folder beside the application, which has numpy already.
FROM builder AS spark-files
RUN python -m pip install --no-cache-dir --target /opt/spark --constraint requirements.lock pyspark pandas pyarrow \
    && cd /opt/spark \
    && rm -r numpy* \
    && find . -type d -name tests -prune -exec rm -r {} +


FROM scratch AS spark
ENV PATH=/opt/reelstream/bin:/opt/spark/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONPATH=/opt/spark \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/reelstream \
    REELSTREAM_WORK=/work \
    REELSTREAM_DATA_CACHE=/data
COPY --from=spark-base / /
COPY --from=spark-files /opt/spark /opt/spark
COPY --from=application-files /opt/reelstream /opt/reelstream
COPY --from=application-files --chown=10001:10001 /var/cache/reelstream /var/cache/reelstream
USER reelstream
WORKDIR /home/reelstream
ENTRYPOINT ["reelstream"]
CMD ["--help"]
