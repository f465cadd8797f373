#!/usr/bin/env bash
# On a machine with nothing but Debian and this checkout:
#   cmake/quickstart.sh demo   builds headgate and does its main job against an API on loopback
#   cmake/quickstart.sh test   builds headgate and passes its tests, also under the sanitizers
#   cmake/quickstart.sh bench  measures headgate and its peers; what follows goes to benchmarks/run.py
# Debian packages that are missing are installed first.
set -euo pipefail
cd "$(dirname "$0")/.."

build_packages=(cmake ninja-build g++ libasio-dev libcurl4-openssl-dev nlohmann-json3-dev
                libsimdjson-dev libsqlite3-dev libcli11-dev libhiredis-dev)
test_packages=(catch2 clang-19 libclang-rt-19-dev llvm-19 ccache python3-django
               haproxy python3-djangorestframework redis-server nginx-light openssl pkg-config doxygen
               chromium prometheus-cpp-dev libboost1.81-dev)
bench_packages=(libbenchmark-dev nginx-light python3)
# What a peer or a part of the report needs; without it the table says what is not there.
bench_extras=(golang-go golang-golang-x-time-dev nodejs python3-aiohttp python3-uvloop gnuplot-nox
              strace valgrind redis-server)

install_missing() {
    local missing=()
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' ||
            missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    echo "Installing ${missing[*]}"
    local as_root=()
    [ "$(id -u)" -eq 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -q
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -qy --no-install-recommends \
        "${missing[@]}"
}

# build <preset> [cmake option]...
build() {
    local preset=$1
    shift
    cmake --preset "$preset" "$@"
    cmake --build --preset "$preset"
}

case "${1:-}" in
demo)
    install_missing "${build_packages[@]}"
    build release -DHEADGATE_BUILD_TESTS=OFF
    build/release/examples/demo
    ;;
test)
    install_missing "${build_packages[@]}" "${test_packages[@]}"
    launcher=()
    if command -v ccache >/dev/null; then
        launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
        # What one checkout has compiled another need not.
        export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
    fi
    build release -DHEADGATE_BUILD_TESTS=ON "${launcher[@]}"
    cmake --build build/release --target all_verify_interface_header_sets
    for preset in asan tsan fuzz; do
        build "$preset" "${launcher[@]}"
    done
    build boost -DHEADGATE_BUILD_EXAMPLES=OFF "${launcher[@]}"
    # The last line of each is CTest's own: "100% tests passed, 0 tests failed out of N". The program
    # that the integration tests run has one thread, of which ThreadSanitizer has nothing to say.
    for preset in asan release; do
        echo "== $preset"
        ctest --preset "$preset" --parallel "$(nproc)"
    done
    echo "== tsan"
    ctest --preset tsan --parallel "$(nproc)" --exclude-regex '^integration'
    echo "== boost"
    ctest --preset boost --parallel "$(nproc)" --exclude-regex '^integration'
    echo "== fuzz"
    ctest --preset fuzz --parallel "$(nproc)"
    ;;
bench)
    install_missing "${build_packages[@]}" "${bench_packages[@]}"
    # Some packages of Node.js bring npm with them and cannot be installed beside Debian's.
    command -v npm >/dev/null || bench_extras+=(npm)
    if ! install_missing "${bench_extras[@]}"; then
        for package in "${bench_extras[@]}"; do
            install_missing "$package" || echo "Without $package" >&2
        done
    fi
    build bench
    benchmarks/run.py "${@:2}"
    ;;
*)
    echo "usage: cmake/quickstart.sh demo|test|bench [--quick]" >&2
    exit 2
    ;;
esac
