# segsweep on a GPU machine, or without one: torch's wheels bring CUDA, the host its driver and the
# NVIDIA container toolkit. docs/scaling.md has the commands.
ARG BASE=docker.io/library/python:3.12-slim

FROM ${BASE} AS wheel
WORKDIR /source
COPY . .
RUN python3 -m pip install --no-cache-dir build && python3 -m build --wheel --outdir /wheel .

FROM ${BASE}
ARG CONSTRAINTS=/dev/null
COPY --from=wheel /source/constraints.txt /wheel /wheel/
RUN cd /wheel && python3 -m pip install --no-cache-dir -c "${CONSTRAINTS}" "$(echo *.whl)[export,dicom]"
# any user may run it (`--user`), also one without an entry in /etc/passwd: torch asks for a name
ENV HOME=/tmp USER=segsweep
WORKDIR /work
ENTRYPOINT ["segsweep-train"]
