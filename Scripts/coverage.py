"""Reads what llvm-cov exports as JSON (its one argument) and prints how much of the named parts was executed, and
what was not. See Scripts/coverage for what regions and arms are."""

import json
import os
import re
import sys
from collections import namedtuple

PARTS = [
    ("verdict", ["Sources/Core/Ownership/Verdict.swift", "Sources/Core/Ownership/RecoveryPlan.swift"]),
    ("ownership core", ["Sources/Core/Ownership/"]),
    ("journal", ["Sources/Host/Journal/"]),
    ("wire decoder", ["Sources/Core/WireProtocol/"]),
]

# Lines and columns count from 1; `end` is where the region no longer is.
Region = namedtuple("Region", "start end is_entry")


class File:
    def __init__(self, path, lines):
        self.path = path
        with open(path, encoding="utf-8") as file:
            self.source = file.read().split("\n")
        self.lines = (lines["covered"], lines["count"])
        self.counts = {}

    def add(self, region, count):
        """Generic code has a record for each of its forms; what one of them executed is executed."""
        self.counts[region] = self.counts.get(region, 0) + count

    def text(self, start, end):
        """The source between two places, which may be any number of lines."""
        (first, column), (last, until) = start, end
        if first == last:
            return self.source[first - 1].encode()[column - 1 : until - 1].decode()
        head = self.source[first - 1].encode()[column - 1 :].decode()
        tail = self.source[last - 1].encode()[: until - 1].decode()
        return "\n".join([head, *self.source[first : last - 1], tail])

    def before(self, place):
        """The source of a few lines before a place."""
        return self.text((max(1, place[0] - 12), 1), place)

    def after(self, place):
        last = min(len(self.source), place[0] + 3)
        return self.text(place, (last, len(self.source[last - 1].encode()) + 1))

    def parent(self, region):
        """The smallest region around another."""
        around = [
            other for other in self.counts
            if other != region and other.start <= region.start and region.end <= other.end
        ]
        return max(around, key=lambda other: (other.start, (-other.end[0], -other.end[1])), default=None)

    def arms(self):
        """Every arm as its place, its count, and a word where the source does not show it."""
        for region, count in self.counts.items():
            if region.is_entry and not self.is_operand(region):
                continue
            yield region.start, count, ""
            if self.is_lonely_if(region):
                parent = self.parent(region)
                if parent:
                    yield region.start, self.counts[parent] - count, " (never passed by)"

    def is_operand(self, region):
        """Whether a function of its own is the right side of an operator, which only a decision leads into."""
        return re.search(r"(&&|\|\||\?\?)\s*$", self.before(region.start)) is not None

    def is_lonely_if(self, region):
        """Whether a region is the body of an `if` without `else` that goes on behind it."""
        if not self.text(region.start, region.end).startswith("{"):
            return False
        statement = re.split(r"[;{}]|\n(?=\s*(?:if|guard|for|while|switch|case|let|var|return|do)\b)", self.before(region.start))[-1]
        if not re.match(r"\s*if\b", statement):
            return False
        if re.match(r"\s*else\b", self.after(region.end)):
            return False
        return not any(
            other.start > region.start and not self.text(region.end, other.start).strip()
            for other in self.counts if other.start >= region.end
        )

    def missed(self):
        """The outermost places that were never executed, and ways that were never taken."""
        zeros = [region for region, count in self.counts.items() if count == 0]
        for region in zeros:
            inside = any(
                other != region and other.start <= region.start and region.end <= other.end for other in zeros)
            if not inside:
                yield region.start, ""
        for place, count, word in self.arms():
            if word and count == 0:
                yield place, word


def share(covered, count):
    return f"{covered:5}/{count:<5}{100 * covered / count if count else 100:6.1f} %"


def row(name, files):
    """A line of the table for some files together."""
    lines = [sum(file.lines[index] for file in files) for index in (0, 1)]
    regions = [count for file in files for count in file.counts.values()]
    arms = [count for file in files for _, count, _ in file.arms()]
    taken = (sum(count > 0 for count in regions), sum(count > 0 for count in arms))
    print(f"{name:34}{share(*lines)}{share(taken[0], len(regions))}{share(taken[1], len(arms))}")


def load(path):
    """The files of the named parts, by path below the top, and how many branch records llvm-cov has."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)["data"][0]
    top = os.getcwd() + "/"
    wanted = tuple(place for _, places in PARTS for place in places)
    files, branches = {}, 0
    for entry in data["files"]:
        name = entry["filename"].removeprefix(top)
        if name.startswith(wanted):
            files[name] = File(name, entry["summary"]["lines"])
            branches += entry["summary"].get("branches", {}).get("count", 0)
    for function in data["functions"]:
        for index, region in enumerate(function["regions"]):
            line, column, last, end, count, number, _, kind = region
            name = function["filenames"][number].removeprefix(top)
            if name in files and kind == 0:
                files[name].add(Region((line, column), (last, end), index == 0), count)
    return files, branches


def main():
    files, branches = load(sys.argv[1])
    print(f"{'':34}{'lines':20}{'regions':20}arms")
    parts, rest = [], dict(files)
    for part, places in PARTS:
        chosen = [rest.pop(name) for name in sorted(rest) if name.startswith(tuple(places))]
        parts.append((part, chosen))
        row(part, chosen)
        for file in chosen:
            row("  " + file.path.split("/")[-1], [file])
    row("all", list(files.values()))
    print(f"branch records of the compiler: {branches}")
    for part, chosen in parts:
        places = [(file, place, word) for file in chosen for place, word in sorted(file.missed())]
        print(f"\nnot executed in the {part}: {len(places) or 'nothing'}")
        for file, (line, column), word in places:
            print(f"{file.path}:{line}:{column}: {file.source[line - 1].strip()}{word}")


main()
