#!/usr/bin/env bash
# Checks the CUDA code on a machine with a GPU: the device's tests, whole jobs on GPU and processor, device_bench, and
# the tests again under compute-sanitizer where it works. Beside building it takes nine minutes at most; what there was no
# time for is said, and fails unless it is compute-sanitizer's.
#
#   bench/device_checks.sh            builds and checks on this machine
#   bench/device_checks.sh pack DIR   builds here, and puts the programs with their libraries into DIR, for a machine
#                                     that has a GPU but not the packages to build with (its C library must not be older)
#   bench/device_checks.sh run DIR    checks with what is in DIR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tests=(key_table_on_device_test linear_model_on_device_test device_batch_on_device_test batch_job_on_device_test gbdt_on_device_test)
seconds_of_all=540
# Small cases of all kernels, for tools that make them a hundred times slower.
small_cases='*KeyTable*:*DeviceBatch*OfNoRows*:*DeviceBatch*KeyOfTheBias*:*DeviceBatch*Several*:*KeyedRows*:*SameFeature*:*FewLanes*:*Optimiser*:*Samples*:DeviceMargins*:PartGrower*'
programs=(build/bin/device_bench build/bin/ps_train build/bin/ps_server build/bin/ps_worker build/bin/ps_datagen build/bin/gbdt_datagen "${tests[@]/#/build/tests/}")

build() {
  [ -f build/build.ninja ] || cmake --preset release -DPS_CUDA=ON >/dev/null
  cmake --build --preset release --target device_bench ps_train ps_server_main ps_worker_main ps_datagen gbdt_datagen "${tests[@]}"
}

pack() {
  build
  mkdir -p "$1/lib"
  local program library
  for program in "${programs[@]}"; do
    strip -o "$1/$(basename "$program")" "$program"
    ldd "$program" | awk '$3 ~ /^\// { print $3 }' | grep -vE '/(libc|libm|libdl|librt|libpthread)\.so' |
      while read -r library; do cp -Lu "$library" "$1/lib/"; done
  done
  du -sh "$1"
}

# Runs a command for so many seconds at most, and not beyond those of all. 124: its time was up.
within() {
  local left=$((seconds_of_all - SECONDS)) most=$1 rc=0
  shift
  if [ "$left" -le 0 ]; then echo "no time left for $(basename "$1")" >&2; return 124; fi
  timeout "$((most < left ? most : left))" "$@" || rc=$?
  [ "$rc" -ne 124 ] || echo "the time of $(basename "$1") was up" >&2
  return "$rc"
}

# Prints what was checked; the last line says whether all of it held.
run() {
  local dir failed=0
  SECONDS=0
  dir=$(cd "$1" && pwd)
  [ ! -d "$dir/lib" ] || export LD_LIBRARY_PATH="$dir/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  local place
  place=$(mktemp -d)
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader || true

  echo "== tests on the device"
  local test rc
  for test in "${tests[@]}"; do
    within 60 "$dir/$test" --gtest_brief=1 2>&1 | tee "$place/test" || failed=1
    if grep -q SKIPPED "$place/test"; then echo "there is no device"; exit 5; fi
  done

  echo "== whole jobs: the same bytes?"
  # In a shell of its own, and not in front of || or in a condition: there set -e would be without effect.
  set +e
  (
    set -e
    cd "$place"
    within 60 "$dir/gbdt_datagen" --shape dense --rows 300000 --out dense.tsv
    within 60 "$dir/gbdt_datagen" --shape sparse --rows 100000 --out sparse.svm
    # Three classes: a seventh of the rows whose first number is large are the third.
    awk 'BEGIN { FS = OFS = "\t" } NR % 7 == 0 && $2 > 0.5 { $1 = 2 } { print }' dense.tsv >classes.tsv
    cat >dense.yaml <<'EOT'
data: {train: {files: [dense.tsv]}, format: tsv, label: {column: 0}, split: {by: ratio, valid: 0.1}}
model: {type: gbdt, gbdt: {trees: 20, max_leaves: 255}}
EOT
    cat >sparse.yaml <<'EOT'
data: {train: {files: [sparse.svm]}, split: {by: ratio, valid: 0.1}}
model: {type: gbdt, gbdt: {trees: 20}}
EOT
    differ=0
    # NAME OPTION...: a job that writes to the directory NAME.
    train() {
      local name=$1
      shift
      within 60 "$dir/ps_train" "$@" --set "output.dir=$name" 2>&1 | grep -E 'trees grow|ms a tree|going on after' || true
    }
    # NAME OTHER: of one job on the processor and elsewhere.
    same() { cmp "$1/trees.pb" "$2/trees.pb" && echo "$2: the same bytes" || differ=1; }
    # NAME: of a job that has learnt on the device alone. The bytes would be the same without one.
    on_device() { grep -q '"device": *"cuda"' "$1/metrics.json" || { echo "$1: not on the device"; differ=1; }; }
    # NAME OPTION...: a job on the processor, on the device, and by two workers with one.
    check_job() {
      local name=$1
      shift
      train "$name.cpu" "$@" --set device=cpu
      train "$name.cuda" "$@" --set device=cuda
      on_device "$name.cuda"
      same "$name.cpu" "$name.cuda"
      train "$name.workers" "$@" --local 1x2 --set device=cuda
      on_device "$name.workers"
      same "$name.cpu" "$name.workers"
    }
    softmax=(--set model.gbdt.objective=softmax --set model.gbdt.trees=7)
    directions=(--set 'model.gbdt.monotone={increasing: [1, 3], decreasing: [2]}')
    check_job dense --config dense.yaml
    check_job sparse --config sparse.yaml
    check_job dense_classes --config dense.yaml "${softmax[@]}" --set 'data.train.files=[classes.tsv]'
    check_job sparse_classes --config sparse.yaml "${softmax[@]}"
    check_job dense_directions --config dense.yaml "${directions[@]}"
    check_job sparse_directions --config sparse.yaml "${directions[@]}"
    check_job warm_start --config dense.yaml --set model.warm_start=dense.cpu
    train linear --config dense.yaml --set model='{type: lr}'
    check_job base_model --config dense.yaml --set model.gbdt.base_model=linear
    # A job that is killed goes on on the device. It begins on one thread of the processor, to last.
    kept=(--set checkpoint.dir=kept --set checkpoint.every=0.1 --set model.gbdt.trees=40)
    "$dir/ps_train" --config dense.yaml "${kept[@]}" --set device=cpu --set train.threads=1 --set output.dir=killed \
      >killed.txt 2>&1 &
    killed=$!
    for _ in {1..600}; do
      [ -z "$(find kept -name 'piece.*' ! -name 'piece.000000000' 2>/dev/null)" ] || break
      sleep 0.05
    done
    kill -KILL "$killed" || true
    wait "$killed" 2>/dev/null || true
    train gone_on "${kept[@]}" --config dense.yaml --set device=cuda | tee gone_on.txt
    grep -q 'going on after' gone_on.txt || { echo "the job that was killed left nothing to go on after"; differ=1; }
    train at_once --config dense.yaml --set model.gbdt.trees=40 --set device=cpu
    same at_once gone_on
    within 60 "$dir/ps_datagen" --rows 500000 --hash_bits 40 --out train.svm
    cat >linear.yaml <<'EOT'
data: {train: {files: [train.svm]}, format: libsvm, split: {by: ratio, valid: 0.05}}
model: {optimizer: {type: ftrl}}
train: {batch_rows: 256, passes: 2}
EOT
    for device in cpu cuda; do
      within 60 "$dir/ps_train" --config linear.yaml --set device=$device --set output.dir=linear_$device 2>&1 |
        grep -E 'rows are learnt|keys are found|rows/s,'
    done
    on_device linear_cuda
    cmp linear_cpu/weights.bin linear_cuda/weights.bin && echo "linear: the same bytes" || differ=1
    for device in cpu cuda; do
      within 60 "$dir/ps_train" --config linear.yaml --local 2x2 --set train.staleness=0 --set device=$device \
        --set output.dir=workers_$device 2>&1 | grep -E 'gradients are computed|rows/s,'
    done
    on_device workers_cuda
    cmp workers_cpu/weights.bin workers_cuda/weights.bin && echo "linear, two workers in steps: the same bytes" || differ=1
    [ "$differ" -eq 0 ]
  )
  [ $? -eq 0 ] || failed=1
  set -e

  echo "== device_bench"
  within 270 "$dir/device_bench" || failed=1

  for tool in memcheck racecheck synccheck; do
    echo "== compute-sanitizer, $tool"
    if ! command -v compute-sanitizer >/dev/null; then echo "not installed"; break; fi
    for test in key_table_on_device_test linear_model_on_device_test device_batch_on_device_test gbdt_on_device_test; do
      rc=0
      within 60 compute-sanitizer --tool "$tool" --error-exitcode 9 "$dir/$test" \
        --gtest_brief=1 --gtest_filter="$small_cases" >"$place/sanitizer" 2>&1 || rc=$?
      tail -4 "$place/sanitizer"
      [ "$rc" -eq 0 ] || echo "$test ended with $rc"
      [ "$rc" -eq 0 ] || [ "$rc" -eq 124 ] || failed=1
    done
  done
  rm -rf "$place"
  [ "$failed" -eq 0 ] && echo "all checks held" || { echo "SOMETHING FAILED, see above"; exit 1; }
}

case "${1:-}" in
  pack) pack "${2:?pack needs a directory}" ;;
  run) run "${2:?run needs a directory}" ;;
  "")
    build
    mkdir -p build/device_checks
    for program in "${programs[@]}"; do ln -sf "../../$program" build/device_checks/; done
    run build/device_checks ;;
  *) sed -n '2,9s/^# \?//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
