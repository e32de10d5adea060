#!/bin/sh
# Make Slipway's namespace and search attributes on a Temporal cluster. Idempotent: run it before every release.
#   TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS…  as the `temporal` program reads them
#   TEMPORAL_RETENTION  how long closed workflows are kept, set when the namespace is made (30d)
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
namespace=${TEMPORAL_NAMESPACE:-default}
temporal=$(command -v temporal || echo "$here/../.venv/bin/temporal")
tries=30 # a new namespace is known everywhere only after some seconds

say() { printf 'temporal: %s\n' "$*"; }
ask() { "$temporal" --command-timeout 10s "$@"; }
has_namespace() { ask operator namespace describe --namespace "$namespace" >/dev/null 2>&1; }

ask operator cluster health >/dev/null || {
  say "no server answers at ${TEMPORAL_ADDRESS:-127.0.0.1:7233}; set TEMPORAL_ADDRESS" >&2
  exit 1
}

if ! has_namespace; then
  # two runs at once: the slower one's create fails, and what counts is that it is there
  ask operator namespace create --namespace "$namespace" --retention "${TEMPORAL_RETENTION:-30d}" || has_namespace
  say "made namespace $namespace"
fi

set --
while IFS='=' read -r name kind; do
  set -- "$@" --name "$name" --type "$kind"
done <"$here/search-attributes"

until answer=$(ask operator search-attribute create --namespace "$namespace" "$@" 2>&1); do
  tries=$((tries - 1))
  [ "$tries" -gt 0 ] || {
    say "$answer" >&2
    exit 1
  }
  sleep 1
done
say "namespace $namespace has Slipway's search attributes"
