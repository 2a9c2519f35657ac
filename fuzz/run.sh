#!/usr/bin/env bash
# fuzz/run.sh [SECONDS]   guided fuzzing of every target, SECONDS each (60), and a table of results; exit code 1 for any finding
# fuzz/run.sh --short     as in CI: the stored corpora and a bounded number of guided changes of them, with a fixed seed
# fuzz/run.sh --keep      minimises the inputs in fuzz/corpus and stores them in fuzz/kept, for the next short run
#
# Needs a C++ compiler for libFuzzer, and only stable Rust. Corpora are unpacked into fuzz/corpus, inputs with findings are stored
# in fuzz/artifacts. FUZZ_TARGETS="decode guard" selects some of the targets.
set -euo pipefail
cd "$(dirname "$0")"

targets=${FUZZ_TARGETS:-decode exchange commands config files limits guard can web house}
seconds=60 mode=guided
case ${1:-} in
--short | --keep) mode=${1#--} ;;
'') ;;
*[!0-9]*) echo "usage: fuzz/run.sh [SECONDS | --short | --keep]" >&2; exit 2 ;;
*) seconds=$1 ;;
esac

# Inputs per target in a short run, unless that takes longer than 15 s; half a minute in total on two idle cores.
runs() {
    case $1 in
    decode | files) echo 100000 ;;
    *) echo 25000 ;;
    esac
}

# As cargo-fuzz builds it: counters on every edge, comparisons reported, no sanitizer (there is no unsafe code to watch).
build() {
    local coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters'
    coverage+=' -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing'
    coverage+=' -Cllvm-args=-simplifycfg-branch-fold-threshold=0 -Cllvm-args=-sanitizer-coverage-stack-depth -Cdebug-assertions -Ccodegen-units=1'
    host=$(rustc -vV | sed -n 's/^host: //p')
    # Not --locked: this lock file may be behind the program's, and the result is never shipped. --target keeps the flags from build
    # scripts.
    RUSTFLAGS=$coverage cargo build --quiet --release --bins --target "$host"
    built=target/$host/release
}

unpack() {
    mkdir -p "corpus/$1" "artifacts/$1"
    if [ -f "kept/$1.tar.gz" ]; then tar -xzf "kept/$1.tar.gz" -C "corpus/$1"; fi
}

# fuzz TARGET OPTION…: one run and its line in the table.
fuzz() {
    local target=$1 log code=0
    shift
    log=artifacts/$target.log
    "$built/$target" "corpus/$target" -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 "-artifact_prefix=artifacts/$target/" "$@" \
        >"$log" 2>&1 || code=$?
    local executed edges found
    executed=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    edges=$(grep -o 'cov: [0-9]*' "$log" | tail -n 1 | cut -d' ' -f2 || true)
    found=$(find "artifacts/$target" -type f -newer "artifacts/$target.began" | wc -l)
    printf '%-9s %12s %9s %9s %9s\n' "$target" "${executed:-?}" "${edges:-?}" "$(find "corpus/$target" -type f | wc -l)" "$found"
    if [ "$code" -ne 0 ]; then
        { grep -A 3 -m 1 -E 'panicked at|memory allocation|ERROR:' "$log" || tail -n 5 "$log"; echo "the input is in fuzz/artifacts/$target, all of it in fuzz/$log"; } >&2
        broken=1
    fi
}

keep() {
    mkdir -p kept
    local target folder
    for target in $targets; do
        unpack "$target"
        folder=$(mktemp -d)
        "$built/$target" -merge=1 -timeout=20 "$folder" "corpus/$target" >"artifacts/$target.log" 2>&1
        rm -rf "corpus/$target"
        mv "$folder" "corpus/$target"
        # The same inputs give the same archive.
        tar -C "corpus/$target" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=644 -c . | gzip -9n >"kept/$target.tar.gz"
        printf '%-9s %6s inputs, %5s KiB packed\n' "$target" "$(find "corpus/$target" -type f | wc -l)" "$(($(stat -c %s "kept/$target.tar.gz") / 1024))"
    done
}

build
if [ "$mode" = keep ]; then
    keep
    exit
fi
broken=0
printf '%-9s %12s %9s %9s %9s\n' target executions edges corpus findings
for target in $targets; do
    unpack "$target"
    touch "artifacts/$target.began"
    if [ "$mode" = short ]; then
        fuzz "$target" -seed=1 "-runs=$(runs "$target")" -max_total_time=15
    else
        fuzz "$target" "-max_total_time=$seconds"
    fi
done
exit "$broken"
