#!/usr/bin/env bash
# Tries a wheel in bare roots: each holds one Python, what that Python itself loads, the C++ runtime, and an environment with the wheel and numpy; no Swift, no
# oneDNN, no libjpeg-turbo, no compiler.
#   Tests/Packages/wheel.sh WHEEL [PYTHON...]    without PYTHON: every Python 3.9 to 3.14 that is found (at least two of them)
# Needs user namespaces (unshare). Ends with the versions that ran.
set -eu
cd "$(dirname "$0")/../.."
wheel=$(realpath "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

works() { "$1" -c 'import ctypes, ssl, venv, ensurepip' >/dev/null 2>&1; }
pythons=("$@")
if ((${#pythons[@]} == 0)); then
  for minor in 9 10 11 12 13 14; do
    for python in $(command -v "python3.$minor" || true) "$HOME/.pyenv/versions/3.$minor".*/bin/python /usr/bin/python3.$minor; do
      if [[ -x $python ]] && works "$python"; then
        pythons+=("$python")
        break
      fi
    done
  done
  ((${#pythons[@]} >= 2)) || { echo "Fewer than two versions of Python are here: ${pythons[*]:-none}" >&2; exit 1; }
fi

# The libraries of the system that manylinux takes for granted.
runtime='/(libc|libm|libdl|librt|libpthread|libutil|libstdc\+\+|libgcc_s|libz|ld-linux-x86-64)\.so'

# bare_root ROOT PYTHON ENVIRONMENT: fills ROOT with the libraries that Python and its own modules load. Prints what is to be mounted there.
bare_root() {
  local root=$1 python=$2 environment=$3 standard
  standard=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
  {
    find "$standard/lib-dynload" -name '*.so' -not -name '_tkinter*' -exec ldd "$environment/bin/python" {} + # (Tk brings libpng.)
    find "$environment" -name '*.so*' -exec ldd {} + 2>/dev/null | grep -E "=> .*$runtime" || true
  } | sed -nE 's/.* => (\/[^ ]+) .*/\1/p' | grep -v "^$environment" | sort -u | while read -r library; do
    install -D "$library" "$root$library"
  done
  install -D /lib64/ld-linux-x86-64.so.2 "$root/lib64/ld-linux-x86-64.so.2"
  printf '%s\n' "$standard" "$environment"
}

# bare COMMAND...: runs it as root of a bare root ($root), with what $mounts names.
bare() {
  # shellcheck disable=SC2016
  env -i PATH=/usr/bin:/bin HOME=/tmp LANG=C.UTF-8 unshare --user --map-root-user --mount -- /bin/bash -euc '
    root=$1 mounts=$2; shift 2
    for item in $mounts /dev/null /dev/urandom; do
      if [[ -d $item ]]; then mkdir -p "$root$item"; else mkdir -p "$root$(dirname "$item")"; touch "$root$item"; fi
      mount --bind "$item" "$root$item"
    done
    mkdir -p "$root/proc" "$root/tmp"; mount --rbind /proc "$root/proc"
    exec /usr/sbin/chroot "$root" "$@"' bare "$root" "$mounts" "$@"
}

"${pythons[0]}" Tests/Packages/wheel_contents.py "$wheel"
ran=
for python in "${pythons[@]}"; do
  version=$("$python" -c 'import platform; print(platform.python_version())')
  root=$work/$version/root environment=$work/$version/environment
  mkdir -p "$root"
  "$python" -m venv --copies "$environment"
  "$environment/bin/python" -m pip install --quiet --disable-pip-version-check "$wheel"
  cp Tests/Packages/wheel_use.py "$environment/"
  mounts=$(bare_root "$root" "$python" "$environment")
  bare "$environment/bin/python" "$environment/wheel_use.py"
  # of the packages that the command needs, it says how to install them
  { bare "$environment/bin/python" "$environment/bin/supcon" --help 2>&1 || true; } | grep -q "pip install 'supcon\[cli\]'"
  ran="$ran $version"
done
echo "The wheel trains and embeds with Python$ran, each in a root without Swift and Debian's libraries"
