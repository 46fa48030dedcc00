# `rerank serve` with the embedded model. The section "In a container" of docs/server.md has the
# lines to build and to run it.
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
# What is compiled here need not be at each start: a read-only container could not keep it.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --root-user-action ignore --compile -c constraints.txt ".[server]"

FROM python:3.11-slim
COPY --from=build /venv /venv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
# Nobody, by number: Kubernetes' runAsNonRoot knows no names.
USER 65534:65534
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["python", "-c", "from http.client import HTTPConnection; server = HTTPConnection('127.0.0.1', 8080); server.request('GET', '/health'); raise SystemExit(server.getresponse().status != 200)"]
ENTRYPOINT ["rerank", "serve", "--host", "0.0.0.0"]
CMD ["embedded"]
