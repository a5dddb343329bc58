# shellcheck shell=sh
# What the entry points of the test images share; any POSIX shell.

# from_file NAME DEFAULT: NAME from the environment or from the file that NAME_FILE names, never both.
from_file() {
  eval "given=\${$1:-} file=\${$1_FILE:-}"
  # shellcheck disable=SC2154 # by eval
  if [ -n "$given" ] && [ -n "$file" ]; then
    echo "error: both $1 and $1_FILE are set (but are exclusive)" >&2
    exit 1
  fi
  [ -z "$file" ] || given=$(cat "$file")
  [ -n "$given" ] || given=$2
  export "$1=$given"
  unset "$1_FILE" given file
}
