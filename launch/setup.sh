#!/bin/sh
# Installs the Debian packages that minos needs and that are missing; says which before it
# does. Does nothing when all are there.
#
#   sh launch/setup.sh [--check]     --check: only say what is missing; exit 1 if any is
set -eu

here=$(cd "$(dirname "$0")" && pwd)
check=no
for arg in "$@"; do
    case $arg in
    --check) check=yes ;;
    *)
        echo "setup.sh: $arg: no such option; only --check" >&2
        exit 2
        ;;
    esac
done

wanted=$(sed 's/#.*//' "$here/packages.txt" | tr -s ' \t\n' ' ')

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "setup.sh: this is not a Debian machine (no dpkg-query or apt-get)." >&2
    echo "Install by hand what stands for these Debian 12 packages:" >&2
    echo "  $wanted" >&2
    exit 1
fi

# One call for all: "ii  name" for each that is installed.
# shellcheck disable=SC2086
present=" $(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $wanted 2>/dev/null |
    sed -n 's/^.i *//p' | tr '\n' ' ')"
missing=""
for package in $wanted; do
    case $present in
    *" $package "*) ;;
    *) missing="$missing $package" ;;
    esac
done
if [ -z "$missing" ]; then
    exit 0
fi

line="apt-get install --yes --no-install-recommends$missing"
if [ "$check" = yes ]; then
    echo "setup.sh: missing:$missing; as root:" >&2
    echo "  $line" >&2
    exit 1
fi
sudo=""
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup.sh: these packages are missing and only root may install them" >&2
        echo "(there is no sudo here). Ask for, as root:" >&2
        echo "  $line" >&2
        exit 1
    fi
    sudo="sudo"
fi
echo "Installing$missing"
echo "  $sudo $line"
$sudo apt-get update -qq || echo "setup.sh: the package lists are not fresh; going on" >&2
# shellcheck disable=SC2086
if ! $sudo env DEBIAN_FRONTEND=noninteractive $line; then
    echo "setup.sh: apt-get could not install them (its reason stands above)" >&2
    exit 1
fi
