#!/usr/bin/env bash
# Gives the emulated workers of kind-config.yaml eight accelerators each, by their pool's vendor. A kubelet that
# restarts forgets them, since no device plugin vouches for them: then run this again.
# KUBECTL: the command and its options, such as "kubectl --context kind-costwain".
set -euo pipefail
read -ra kubectl <<<"${KUBECTL:-kubectl}"

give() { # pool, resource, count
  local node patch key=${2//\//\~1}
  patch=$(printf '{"op":"add","path":"/status/%s/'"$key"'","value":"'"$3"'"}\n' capacity allocatable | paste -sd, -)
  for node in $("${kubectl[@]}" get nodes --selector="costwain.dev/emulated=true,costwain.dev/pool=$1" --output=name); do
    "${kubectl[@]}" patch "$node" --subresource=status --type=json --patch="[$patch]"
  done
}

give h100 nvidia.com/gpu 8
give mi300x amd.com/gpu 8
