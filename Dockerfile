# docker build --build-arg TORCH_INDEX=URL -t firstline .
# URL is the index of CPU wheels that PyTorch documents; without it torch may bring gigabytes of CUDA, which is refused below.
# The Python that the tests run on.
FROM python:3.11-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app

# What changes seldom first: a change of the code installs none of it again.
COPY pyproject.toml constraints.txt ./
ARG TORCH_INDEX=
RUN pip install -c constraints.txt ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} torch \
 && python -c "import sys, torch; sys.exit(torch.version.cuda and 'This torch is made for CUDA. Build with --build-arg TORCH_INDEX=URL of the CPU wheels.')"
RUN python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" > /tmp/wanted \
 && pip install -c constraints.txt -r /tmp/wanted \
 && rm /tmp/wanted

COPY README.md LICENSE ./
COPY channels channels
COPY dashboard dashboard
COPY knowledge knowledge
COPY service service
# In place: templates, the widget, samples and migrations are read from the tree.
RUN pip install --no-deps -e . \
 && python -m compileall -q channels dashboard knowledge service \
 && useradd --system --uid 10001 --home-dir /data --no-create-home firstline \
 && install -d -o firstline -m 700 /data

USER firstline
ENV DATA_DIR=/data HOST=0.0.0.0 PORT=8000 OMP_NUM_THREADS=1
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
# Loading the model and building the index take a while; until then nobody is sent here.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/readyz', timeout=4)"]
ENTRYPOINT ["firstline"]
CMD ["serve"]
