# One image for the web process, the workers and the reconciler; docker-compose.yml says which runs what.
# The base model is built at the first start, into the volume at /data.
FROM python:3.11-slim

# On a machine without a GPU, torch's CPU index makes the image several GB smaller:
#   docker build --build-arg TORCH_INDEX_URL=<the index of torch's CPU builds> .
ARG TORCH_INDEX_URL=""

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /app
COPY requirements.lock ./
RUN pip install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "$(grep '^torch==' requirements.lock)" \
    && pip install --no-deps -r requirements.lock

COPY . .
RUN pip install --no-deps --no-build-isolation -e . \
    && useradd --create-home --uid 10001 ecg \
    && mkdir /data \
    && chown ecg:ecg /data

USER ecg
ENV ECG_HOME=/data
VOLUME /data
EXPOSE 9090
CMD ["env", "-u", "GUNICORN_CMD_ARGS", "python", "-m", "gunicorn", "--config", "/app/gunicorn.conf.py", "_wsgi:app"]
