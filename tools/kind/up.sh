#!/usr/bin/env bash
# A kind cluster with our operator and emulated accelerators. Needs docker, kubectl, helm and kind (or Go, which
# builds the pinned kind). `kind delete cluster --name costwain` ends it.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.1.0 # of the images, as the chart's appVersion

for tool in docker kubectl helm; do
  command -v "$tool" >/dev/null || { echo "$tool: needed for kind (found none on PATH)" >&2; exit 1; }
done
if command -v kind >/dev/null; then kind=(kind); else kind=(go -C tools/kind tool kind); fi

for image in operator stub; do
  docker build --quiet --file "images/$image/Dockerfile" --tag "costwain/$image:$version" .
done
"${kind[@]}" create cluster --config "$PWD/kind-config.yaml"
for image in operator stub; do
  "${kind[@]}" load docker-image --name costwain "costwain/$image:$version"
done
export KUBECTL="kubectl --context kind-costwain"
tools/kind/accelerators.sh
helm install costwain charts/costwain --kube-context kind-costwain \
  --namespace costwain-system --create-namespace --wait --timeout 3m
$KUBECTL apply --filename crds/samples/local
