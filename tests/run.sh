#!/bin/sh
# Everything that must hold, on one machine: installs what is missing, then builds and
# tests with warnings as errors, with the address and undefined behaviour sanitizers, and
# with the thread sanitizer.
#
#   sh tests/run.sh [--quick] [--no-install]
#
#   --quick       the release build only
#   --no-install  fail instead of installing packages
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit 1
presets="release asan tsan"
install=yes
for arg in "$@"; do
    case $arg in
    --quick) presets="release" ;;
    --no-install) install=no ;;
    *)
        echo "run.sh: $arg: no such option; --quick or --no-install" >&2
        exit 2
        ;;
    esac
done

if [ $install = yes ]; then
    sh launch/setup.sh || exit 1
else
    sh launch/setup.sh --check || exit 1
fi

jobs=$(nproc)
generator=""
command -v ninja >/dev/null && generator="-G Ninja"

# What each build runs. Process tests keep their time limits only at full speed, and the
# sanitizers know nothing of a game or an MPI beside them; lint reads sources once.
labels_release='.*'
labels_asan='^(unit|grad|cluster|fuzz)$'
labels_tsan='^(unit|cluster)$'
# One thread, and minutes long under the thread sanitizer.
skip_release='^$'
skip_asan='^$'
skip_tsan='test_(crypt|rollout|nethack|cluster_)'

export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1"
export LSAN_OPTIONS="suppressions=$top/tests/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1"
export TSAN_OPTIONS="suppressions=$top/tests/tsan.supp"

# gcc 12's thread sanitizer cannot place its shadow when addresses are spread wider.
fixed=""
if [ "$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 0)" -gt 28 ] &&
    setarch -R true 2>/dev/null; then
    fixed="setarch -R"
fi

summary=""
failed=0
note() {
    summary="$summary
  $1"
}

for preset in $presets; do
    began=$(date +%s)
    build="build"
    [ $preset = release ] || build="build-$preset"
    mkdir -p "$build"
    log="$build/build.log"
    echo "== $preset: build"
    # A build directory keeps the generator that it was made with.
    use="$generator"
    [ -f "$build/CMakeCache.txt" ] && use=""
    # shellcheck disable=SC2086
    if ! cmake --preset $preset $use -DMINOS_WERROR=ON >"$log" 2>&1 ||
        ! cmake --build --preset $preset -j "$jobs" >>"$log" 2>&1; then
        grep -E 'error|Error|FAILED|warning' -A 3 "$log" | tail -60
        note "$preset: does not build (see $log)"
        failed=1
        continue
    fi
    echo "== $preset: test"
    eval "labels=\$labels_$preset skip=\$skip_$preset"
    run=""
    [ $preset = tsan ] && run="$fixed"
    # shellcheck disable=SC2086,SC2154
    if ! $run ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$jobs" \
        -L "$labels" -E "$skip" -O "$build/ctest.log"; then
        failed=1
    fi
    said=$(grep 'tests passed' "$build/ctest.log" || echo "the tests did not run")
    note "$preset: $said, $(($(date +%s) - began)) s with the build"
    for name in $(sed -n 's/^\t *[0-9]* - \([^ ]*\) .*/\1/p' "$build/ctest.log"); do
        note "    $name failed"
    done
done

echo
echo "== summary$summary"
if [ $failed != 0 ]; then
    echo "NOT all holds"
    exit 1
fi
echo "all holds"
