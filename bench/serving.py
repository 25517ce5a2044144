#!/usr/bin/env python3
"""ps_serve over loopback, beside ps_eval on the same rows: rows a second, how long a request takes, and what processor
time of the server a row costs, which other work on the machine moves least.

Models: logistic regression on libsvm text and on a CSV table (39 columns), 100 trees of 31 leaves on 28 columns. Requests
have 1 row or 100, as objects of names or as rows' lines, on 1 or several connections. Server and clients share the machine.
"""

import argparse
import csv
import json
import pathlib
import re
import resource
import subprocess
import tempfile
import urllib.request

BIN = pathlib.Path(__file__).resolve().parents[1] / "build/bin"
ROWS = 100_000


def run(*words, cwd=None):
    return subprocess.run([str(BIN / words[0]), *map(str, words[1:])], cwd=cwd, check=True, capture_output=True, text=True)


def number(text):
    try:
        return json.loads(text)
    except ValueError:
        return text


def libsvm(place):
    run("ps_datagen", "--format", "libsvm", "--rows", ROWS, "--out", place / "train")
    lines = [line.split(" ", 1)[1] for line in (place / "train").read_text().splitlines()]
    objects = [{name: number(value) for name, value in (token.split(":") for token in line.split())} for line in lines]
    return "data: {train: {files: [train]}, format: libsvm}\nmodel: {type: lr}\n", None, lines, objects


def table(place):
    run("ps_datagen", "--format", "csv", "--rows", ROWS, "--out", place / "train")
    lines = (place / "train").read_text().splitlines()
    header, rows = lines[0].split(",")[1:], [line.split(",", 1)[1] for line in lines[1:]]
    objects = [{name: number(text) if name[0] == "I" else text for name, text in zip(header, row)} for row in csv.reader(rows)]
    return "data: {train: {files: [train]}, format: csv, header: true}\nmodel: {type: lr}\n", ",".join(header), rows, objects


def trees(place):
    run("gbdt_datagen", "--shape", "dense", "--rows", ROWS, "--out", place / "train")
    lines = (place / "train").read_text().splitlines()
    fields = [line.split("\t") for line in lines]
    rows = ["\t".join(row[1:]) for row in fields]
    objects = [{f"c{i}": number(value) for i, value in enumerate(row) if i > 0} for row in fields]
    job = ("data: {train: {files: [train]}, format: tsv, header: false, label: {column: 0}}\n"
           "model: {type: gbdt, gbdt: {trees: 100, max_leaves: 31}}\n")
    return job, None, rows, objects


def evaluation(place, header, lines):
    """Processor time a row of ps_eval on one thread, in us, without its start: the difference of all rows and a tenth."""
    seconds = []
    for count in (ROWS // 10, ROWS):
        (place / "bare").write_text("\n".join(([header] if header else []) + lines[:count]) + "\n")
        seconds.append(min(child_seconds(place) for _ in range(3)))
    return (seconds[1] - seconds[0]) / (ROWS - ROWS // 10) * 1e6


def child_seconds(place):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run("ps_eval", "--model", "out", "--data", "bare", "--unlabelled", "--predictions", "p.csv", "--threads", 1, cwd=place)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def counted(port):
    page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read().decode()
    return [float(re.search(rf"^{name} (.*)$", page, re.MULTILINE).group(1))
            for name in ("process_cpu_seconds_total", "ps_serve_rows_total")]


def measure(place, port, rows, instances, connections, seconds):
    (place / "body").write_text(json.dumps({"instances": instances[:rows]}))
    before = counted(port)
    done = run("serving_bench", "--port", port, "--path", "/v1/models/out:predict", "--body", place / "body", "--rows", rows,
               "--connections", connections, "--seconds", seconds)
    cpu, answered = (after - old for after, old in zip(counted(port), before))
    return f"{done.stdout.strip()}, {cpu / answered * 1e6:.1f} us of the server's processors a row"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--threads", type=int, default=0, help="of ps_serve")
    parser.add_argument("--only", default="", help="libsvm, table or trees")
    args = parser.parse_args()
    for prepare in (libsvm, table, trees):
        if args.only not in ("", prepare.__name__):
            continue
        with tempfile.TemporaryDirectory() as directory:
            place = pathlib.Path(directory)
            job, header, lines, objects = prepare(place)
            (place / "job.yaml").write_text(job + "output: {dir: out}\n")
            run("ps_train", "--config", "job.yaml", cwd=place)
            print(f"{prepare.__name__}: ps_eval: {evaluation(place, header, lines):.1f} us of a processor a row", flush=True)
            server = subprocess.Popen([str(BIN / "ps_serve"), "--model", "out", "--listen", ":0", "--threads",
                                       str(args.threads)], cwd=place, stderr=subprocess.PIPE, text=True)
            try:
                said = server.stderr.readline() + server.stderr.readline()
                port = re.search(r"http://[^:]*:(\d+)", said).group(1)
                for form, instances in (("lines", lines), ("objects", objects)):
                    for rows, connections in ((1, 1), (1, args.connections), (100, 1), (100, args.connections)):
                        print(f"  {form:8} {rows:4} rows, {connections} connections: "
                              f"{measure(place, port, rows, instances, connections, args.seconds)}", flush=True)
            finally:
                server.terminate()
                server.wait(30)


if __name__ == "__main__":
    main()
