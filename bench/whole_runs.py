#!/usr/bin/env python3
"""Whole training runs side by side: ours and those of the peers found on this machine, on the same rows.

Data: rows of ps_datagen (made once and kept in --data), and the real criteo_dac80k where --real names its
directory (first 64,000 rows train, the others test). Every system trains in a process of its own, one after the
other; with --repeats the whole list is gone through several times and each system's fastest run counts.
Prints a Markdown table with ratios to Vowpal Wabbit --ftrl (or to the first row when that is missing).
"""

import argparse
import gzip
import os
import shutil
import sys
import tempfile

import measured_run
import run_systems

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
REAL_FILE = "criteo_dac80k_vwhash.svm.gz"
REAL_TRAIN_ROWS = 64_000
BASELINE = "Vowpal Wabbit --ftrl"


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="training rows to generate; 0: none")
    parser.add_argument("--test_rows", type=int, default=0, help="default: a tenth, at least 100,000")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--data", default=os.path.join(tempfile.gettempdir(), "ps_whole_runs"),
                        help="directory of the generated rows, kept between runs")
    parser.add_argument("--real", default=os.environ.get("PS_DATA_DIR", ""),
                        help=f"directory that holds {REAL_FILE}")
    parser.add_argument("--bin", default=os.path.join(ROOT, "build", "bin"))
    parser.add_argument("--only", default="", help="comma-separated parts of system names")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--out", default="", help="also write the tables to this file")
    return parser.parse_args()


def libsvm_labels(path):
    with open(path, encoding="ascii") as lines:
        return [1 if line.startswith(("1", "+1")) else 0 for line in lines]


def generate(binary, path, rows, first_row, seed, text_format):
    """Generates a file unless it is there; it appears under its name only when whole."""
    if not os.path.exists(path):
        measured_run.quick([binary, f"--rows={rows}", f"--first_row={first_row}", f"--seed={seed}",
                            f"--format={text_format}", f"--out={path}.part"])
        os.rename(f"{path}.part", path)


def generated_data(arguments, need_vw):
    binary = os.path.join(arguments.bin, "ps_datagen")
    if not os.access(binary, os.X_OK):
        sys.exit(f"{binary} is missing: build it first")
    os.makedirs(arguments.data, exist_ok=True)
    rows = arguments.rows
    test_rows = arguments.test_rows or max(100_000, min(rows // 10, 1_000_000))
    paths = {}
    for part, count, first in (("train", rows, 0), ("test", test_rows, rows)):
        for text_format in ["libsvm"] + (["vw"] if need_vw else []):
            path = f"{arguments.data}/{part}_{count}_from_{first}_seed_{arguments.seed}.{text_format}"
            generate(binary, path, count, first, arguments.seed, text_format)
            paths[part, text_format] = path
    return run_systems.DataSet(
        f"generated, {rows:,} rows", paths["train", "libsvm"], paths["test", "libsvm"],
        paths.get(("train", "vw"), ""), paths.get(("test", "vw"), ""), rows,
        libsvm_labels(paths["test", "libsvm"]))


def real_data(directory, work):
    """Unpacks the real rows into `work`, as libsvm and as Vowpal Wabbit text with the same indices."""
    path = {(part, kind): f"{work}/{part}.{kind}" for part in ("train", "test") for kind in ("svm", "vw")}
    out = {key: open(name, "w", encoding="ascii") for key, name in path.items()}
    train_rows = 0
    with gzip.open(os.path.join(directory, REAL_FILE), "rt", encoding="ascii") as lines:
        for number, line in enumerate(lines):
            part = "train" if number < REAL_TRAIN_ROWS else "test"
            train_rows += part == "train"
            label, *features = line.split()
            out[part, "svm"].write(line)
            out[part, "vw"].write(" ".join(["1 |" if label in ("1", "+1") else "-1 |", *features]) + "\n")
    for file in out.values():
        file.close()
    return run_systems.DataSet("criteo_dac80k", path["train", "svm"], path["test", "svm"], path["train", "vw"],
                               path["test", "vw"], train_rows, libsvm_labels(path["test", "svm"]))


def read_through(path):
    """Brings a file into the page cache: what is compared is the systems, not the disk."""
    with open(path, "rb", buffering=0) as file:
        while file.read(1 << 24):
            pass


def measure(systems, data, repeats):
    """Fastest result of each system, with its score; failures are reported and left out."""
    best = {}
    for repeat in range(repeats):
        for system in systems:
            if data.train_rows > system.max_rows:
                continue
            work = tempfile.mkdtemp(prefix="ps_whole_run.")
            try:
                read_through(data.train_vw if "Vowpal" in system.name else data.train_svm)
                result = system.run(data, work)
                print(f"{data.name}: {system.name}: {result.usage.wall:.2f} s", file=sys.stderr)
                if system.name not in best or result.usage.wall < best[system.name].usage.wall:
                    best[system.name] = result
            except measured_run.RunFailed as failure:
                print(f"{data.name}: {system.name} FAILED: {failure}", file=sys.stderr)
            finally:
                shutil.rmtree(work)
    return best


def table(data, best):
    reference = best.get(BASELINE) or next(iter(best.values()))
    reference_rate = reference.rows / reference.usage.wall
    lines = [f"### {data.name}", "",
             "| system | wall s | cpu s | RSS MB | rows/s | ratio | AUC | log loss | note |",
             "|---|---|---|---|---|---|---|---|---|"]
    for name, result in best.items():
        usage = result.usage
        rate = result.rows / usage.wall
        auc, loss = run_systems.score(result, data)
        quality = f"{auc:.5f} | {loss:.5f}" if auc is not None else " | "
        lines.append(f"| {name} | {usage.wall:.2f} | {usage.cpu:.2f} | {usage.rss_mb:,.0f} | {rate:,.0f} | "
                     f"{rate / reference_rate:.2f} | {quality} | {result.note} |")
    return "\n".join(lines) + "\n"


def main():
    arguments = parse_arguments()
    wanted = [part.strip().lower() for part in arguments.only.split(",") if part.strip()]
    systems = [s for s in run_systems.all_systems(arguments.bin)
               if not wanted or any(part in s.name.lower() for part in wanted)]
    for system in systems:
        if not system.available():
            print(f"not on this machine: {system.name}", file=sys.stderr)
    systems = [system for system in systems if system.available()]
    if not systems:
        sys.exit("nothing to run")
    measured_run.run(["true"])  # starts the launcher while this process is small
    tables = [f"{os.cpu_count()} processors, fastest of {arguments.repeats}; ratios of rows/s to {BASELINE}\n"]
    work = tempfile.mkdtemp(prefix="ps_whole_runs_real.")
    try:
        sets = []
        if arguments.rows > 0:
            sets.append(generated_data(arguments, any("Vowpal" in system.name for system in systems)))
        if arguments.real and os.path.exists(os.path.join(arguments.real, REAL_FILE)):
            sets.append(real_data(arguments.real, work))
        for data in sets:
            best = measure(systems, data, arguments.repeats)
            if best:
                tables.append(table(data, best))
    finally:
        shutil.rmtree(work)
    text = "\n".join(tables)
    print(text)
    if arguments.out:
        with open(arguments.out, "w", encoding="utf-8") as out:
            out.write(text)
    return 0 if len(tables) > 1 else 1


if __name__ == "__main__":
    sys.exit(main())
