#!/usr/bin/env bash
# Another HAProxy for COSTWAIN_HAPROXY: that of a Debian suite, with the suite's own libraries, in a folder.
#   debian-haproxy.sh SUITE FOLDER     trixie has 3.0, sid 3.2; Debian's apt is wanted, root is not
set -euo pipefail
suite=$1
mkdir -p "$2"
folder=$(realpath "$2")

mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Component: main' | head -n 1)
[ -n "$mirror" ] || { echo "apt knows no archive of Debian here; run apt-get update first" >&2; exit 2; }
mkdir -p "$folder"/{state/lists/partial,cache/archives/partial,tree}
: > "$folder/state/status"
echo "deb $mirror $suite main" > "$folder/sources.list"
apt() {
  apt-get -q -o Dir::State="$folder/state" -o Dir::State::status="$folder/state/status" -o Dir::Cache="$folder/cache" \
    -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User= \
    -o Debug::NoLocking=1 "$@" > "$folder/apt.log" 2>&1 || { tail -n 5 "$folder/apt.log" >&2; exit 1; }
}
apt update
apt install --download-only --no-install-recommends --yes haproxy
for package in "$folder"/cache/archives/*.deb; do
  dpkg-deb --extract "$package" "$folder/tree"
done

loader=$(find "$folder/tree" -name 'ld-linux*.so.*' | head -n 1)
libraries=$(dirname "$(find "$folder/tree" -name 'liblua5.4.so.0' | head -n 1)")
printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$loader" "$libraries" "$folder/tree/usr/sbin/haproxy" > "$folder/haproxy"
chmod +x "$folder/haproxy"
"$folder/haproxy" -v | head -n 1
