#!/bin/bash
# Runs what the test says: a line of base64 is a script, the answer its exit status, output and errors.
exec 3<>/dev/virtio-ports/test
echo ready >&3
while read -r line <&3; do
    status=0
    /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        /bin/bash -euo pipefail -c "$(base64 -d <<<"$line")" </dev/null >/run/agent.out 2>/run/agent.err || status=$?
    echo "$status .$(base64 -w0 /run/agent.out) .$(base64 -w0 /run/agent.err)" >&3
done
