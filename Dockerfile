# anygen serve in a container, on a CPU by default; docs/serve.md has the commands.
FROM python:3.12-slim

# https://download.pytorch.org/whl/cu128 for NVIDIA GPUs: its wheels carry the CUDA libraries.
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
RUN pip install --no-cache-dir torch==2.13.0 --index-url "$TORCH_INDEX"

WORKDIR /app
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY anygen anygen
COPY encoders encoders
COPY decoders decoders
COPY mosit_data mosit_data
COPY configs configs
RUN pip install --no-cache-dir '.[serve]' \
    && useradd --create-home anygen \
    && install -d -o anygen /home/anygen/.cache

USER anygen
# Published models that are fetched at the first start.
VOLUME /home/anygen/.cache
EXPOSE 8000
HEALTHCHECK --start-period=120s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health')"]

ENTRYPOINT ["anygen"]
# Other machines can reach a container, so it needs keys: in ANYGEN_API_KEYS, or by --keys.
CMD ["serve", "--host", "0.0.0.0"]
