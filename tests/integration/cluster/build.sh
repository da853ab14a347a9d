#!/bin/sh
# Builds etcd, kube-apiserver and kubectl from Go's modules: build.sh DIRECTORY.
# The first time takes minutes of two cores and 2 GB of Go's caches. Needs Go 1.24 or newer.
set -eu

version=v1.34.1 # as in go.mod
mkdir -p "$1"
target=$(cd "$1" && pwd)
cd "$(dirname "$0")/tools"

# Without it kube-apiserver takes itself for version 0.0, which kubectl and clients act upon.
stamp="-X k8s.io/component-base/version.gitVersion=$version"
stamp="$stamp -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
for program in kube-apiserver kubectl; do
	go build -trimpath -ldflags "-s -w $stamp" -o "$target/$program" "k8s.io/kubernetes/cmd/$program"
done
go build -trimpath -ldflags "-s -w" -o "$target/etcd" go.etcd.io/etcd/server/v3
