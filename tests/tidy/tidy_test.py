#!/usr/bin/env python3
"""Rules of the house that no compiler checks: floors, sizes, leftovers, tests that nobody runs."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("bench", "cmake", "deploy", "docs", "evaluation", "examples", "kernels", "models", "ps",
           "scheduler", "serving", "tests", "trainer", "worker")
SOURCES = (".cc", ".cu", ".h", ".proto")
TEXTS = SOURCES + (".py", ".md", ".yaml", ".cmake", ".txt")
MOST_LINES = 400

# The longest prefix of a path decides; programs and what is not listed are on floor 3.
FLOORS = {
    "kernels/": 0, "ps/base/": 0,
    "models/": 1, "ps/wire/": 1, "ps/table/": 1,
    "ps/state_store/": 1, "ps/checkpoint/": 1,
    "ps/server/": 2, "serving/": 2, "worker/": 2, "scheduler/": 2,
}


def files(suffixes):
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.is_file() and path.suffix in suffixes and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path


def prefix_of(name):
    fitting = [prefix for prefix in FLOORS if name.startswith(prefix)]
    return max(fitting, key=len, default="")


def floor_of(name):
    if name.endswith("_main.cc"):
        return 3
    return FLOORS.get(prefix_of(name), 3)


def includes(text):
    return re.findall(r'^\s*#\s*include\s+"([^"]+)"', text, re.MULTILINE)


class TidyTest(unittest.TestCase):
    def check(self, wrong, rule):
        self.assertFalse(wrong, "\n" + rule + ":\n  " + "\n  ".join(wrong))

    def test_there_is_something_to_check(self):
        self.assertGreater(len(list(files(SOURCES))), 200)

    def test_includes_never_point_upwards_or_sideways_on_floor_2(self):
        wrong = []
        for name, path in files(SOURCES):
            for include in includes(path.read_text()):
                target = re.sub(r"\.pb\.h$", ".proto", include)
                if not (ROOT / target).exists():
                    continue  # of the system
                up = floor_of(target) > floor_of(name)
                sideways = (floor_of(name) == 2 and floor_of(target) == 2
                            and prefix_of(name) != prefix_of(target))
                if up or sideways:
                    wrong.append(f"{name} includes {include}")
        self.check(wrong, "an include points to a higher floor, or beside itself on floor 2")

    def test_models_know_the_wire_not_at_all(self):
        wrong = [name for name, path in files(SOURCES)
                 if name.startswith(("models/", "ps/table/"))
                 and any(include.startswith("ps/wire/") for include in includes(path.read_text()))]
        self.check(wrong, "models and tables are free of the network")

    def test_the_transport_alone_speaks_zeromq(self):
        users = [name for name, path in files(SOURCES)
                 if re.search(r"#\s*include\s+[<\"]zmq", path.read_text())
                 and not name.startswith("tests/")]
        self.assertEqual(users, ["ps/wire/curve.cc", "ps/wire/zeromq_transport.cc"])

    def test_every_test_is_registered(self):
        wrong = []
        for name, path in files((".cc",)):
            if not name.endswith("_test.cc"):
                continue
            lists = (path.parent / "CMakeLists.txt").read_text()
            # A list may name its tests in a loop, without their ending.
            if path.name not in lists and not re.search(
                    r"foreach\([^)]*\b" + re.escape(path.name[:-len("_test.cc")]) + r"\b", lists):
                wrong.append(name)
        self.check(wrong, "a test that no CMakeLists.txt of its folder names")

    def test_nothing_is_left_for_later(self):
        words = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"))
                           + r")\b")
        wrong = []
        for name, path in files(TEXTS):
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if words.search(line):
                    wrong.append(f"{name}:{number}: {line.strip()}")
        self.check(wrong, "a note to do something later")

    def test_files_are_short(self):
        wrong = []
        for name, path in files(SOURCES + (".py",)):
            lines = path.read_text().count("\n")
            if lines > MOST_LINES:
                wrong.append(f"{name}: {lines} lines")
        self.check(wrong, f"more than {MOST_LINES} lines")

    def test_no_path_of_somebodys_machine(self):
        machine = re.compile(r"(?<![\w.}$>)/-])/(work|tmp|home|root)/")
        wrong = []
        for name, path in files(TEXTS):
            if name.startswith("tests/") or name.endswith("_test.cc"):
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                if machine.search(line):
                    wrong.append(f"{name}:{number}: {line.strip()}")
        self.check(wrong, "an absolute path that only one machine has")

    def test_no_control_characters(self):
        wrong = []
        for name, path in files(TEXTS):
            text = path.read_text(encoding="utf-8")  # and this fails where it is something else
            for number, line in enumerate(text.split("\n"), 1):
                if any((ord(c) < 32 and c != "\t") or 127 <= ord(c) < 160
                       or c in "\u200b\u200e\u200f\u2028\u2029\ufeff"
                       or "\u202a" <= c <= "\u202e" for c in line):
                    wrong.append(f"{name}:{number}")
        self.check(wrong, "a character that nobody sees")


if __name__ == "__main__":
    unittest.main()
