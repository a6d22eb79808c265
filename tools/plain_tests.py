# SPDX-License-Identifier: Apache-2.0
"""Turns tests of Swift Testing into plain Swift that Embedded Swift compiles.

Embedded Swift lacks the macros of Swift Testing, key paths and untyped errors. The kernels' tests use
few of these, and always as the formatter writes them, so replacing text is enough: expectations become
calls of `Tests/EmulatedTesting`, a key path becomes a closure, and an error ends the program. Each suite
gets a function that runs its tests with all their arguments. Any other feature fails to compile.
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

OPENING, CLOSING = "([{", ")]}"
# Relations whose two sides are shown when an expectation fails.
RELATIONS = {" == ": "expectEqual", " <= ": "expectAtMost", " < ": "expectLess"}


@dataclass
class Test:
    suite: str
    name: str
    parameters: list[tuple[str, str]]  # label and type
    arguments: list[str]


def depths(text: str) -> list[int]:
    """The number of open brackets at each character; a string counts as one more."""
    result, depth, in_string, escaped = [], 0, False, False
    for character in text:
        if in_string:
            result.append(depth + 1)
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
            continue
        depth -= character in CLOSING
        result.append(depth)
        depth += character in OPENING
        in_string = character == '"'
    return result


def closing(text: str, start: int) -> int:
    """The position of the bracket that closes the one at `start`."""
    return start + 1 + depths(text[start:])[1:].index(0)


def split(text: str, separator: str = ",") -> list[str]:
    """The parts between separators outside brackets and strings."""
    parts, first, levels = [], 0, depths(text)
    for place in [m.start() for m in re.finditer(re.escape(separator), text)]:
        if levels[place] == 0 and place >= first:
            parts.append(text[first:place].strip())
            first = place + len(separator)
    return [part for part in [*parts, text[first:].strip()] if part]


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def quoted(text: str) -> str:
    return f'#"{one_line(text)}"#'


def expectation(condition: str, comment: str, place: str) -> str:
    """The call that checks a condition and shows its two sides."""
    line = one_line(condition)
    words = f"{quoted(line)}, {quoted(place)}, {comment or quoted('')}"
    if not any(len(split(line, joint)) > 1 for joint in (" && ", " || ", " ? ")):
        for relation, function in RELATIONS.items():
            sides = split(line, relation)
            if len(sides) == 2:
                return f"{function}({sides[0]}, {sides[1]}, {words})"
    return f"expect({line}, {words})"


def with_plain_expectations(text: str, file: str) -> str:
    while match := re.search(r"#expect\(", text):
        end = closing(text, match.end() - 1)
        condition, *comment = split(text[match.end() : end])
        place = f"{file}:{text.count(chr(10), 0, match.start()) + 1}"
        call = expectation(condition, "".join(comment), place)
        # Lines keep their numbers, so the locations of later expectations stay right.
        lines = "\n" * text.count("\n", match.start(), end)
        text = text[: match.start()] + call + lines + text[end + 1 :]
    return text


def without_errors_and_key_paths(text: str) -> str:
    text = re.sub(r"\)\s*throws\b", lambda match: ")" + "\n" * match[0].count("\n"), text)
    text = text.replace("try #require(", "require(").replace("try ", "try! ")
    text = re.sub(r"\\\.self\b", "{ $0 }", text)
    return re.sub(r"\\\.(\w+)", r"{ $0.\1 }", text)


def take_tests(text: str) -> tuple[str, list[Test]]:
    """The text without the attributes of suites and tests, and the tests that it has."""
    tests, suite = [], ""
    attribute = re.compile(r"@(Suite|Test)\b")
    while match := attribute.search(text):
        end, arguments = match.end(), []
        if text[end] == "(":
            end = closing(text, match.end()) + 1
            inside = text[match.end() + 1 : end - 1]
            named = re.search(r"\barguments:", inside)
            arguments = split(inside[named.end() :]) if named else []
        if match[1] == "Suite":
            suite = re.match(r"[\s\w]*\bstruct (\w+)", text[end:])[1]
        else:
            name = re.match(r"\s*func (\w+)\(", text[end:])
            start = end + name.end() - 1
            parameters = [
                (one_line(part.partition(":")[0]).split()[0], one_line(part.partition(":")[2]))
                for part in split(text[start + 1 : closing(text, start)])
            ]
            tests.append(Test(suite, name[1], parameters, arguments))
        lines = "\n" * text.count("\n", match.start(), end)
        text = text[: match.start()] + lines + text[end:]
    return text, tests


def runner(suite: str, tests: list[Test]) -> str:
    """The extension of a suite that runs its tests."""
    lines = [f"extension {suite} {{", "    static func runTests() {"]
    for test in tests:
        names = [f"argument{index}" for index in range(len(test.arguments))]
        for name, values, (_, kind) in zip(names, test.arguments, test.parameters, strict=True):
            typed = f" as [{kind}]" if values.startswith("[") else ""
            lines.append(f"for {name} in {one_line(values)}{typed} {{")
        shown = ", ".join(f"\\(text({name}))" for name in names)
        labels = [label for label, _ in test.parameters]
        given = ", ".join(
            f"{label}: {name}" for name, label in zip(names, labels, strict=True)
        )
        lines.append(f'begin("{suite}.{test.name}({shown})")')
        lines.append(f"{suite}().{test.name}({given})")
        lines += ["}" for _ in names]
    return "\n".join([*lines, "    }", "}", ""])


def descriptions(path: Path) -> str:
    """The names of an enumeration's cases, which Embedded Swift does not keep."""
    result = []
    enumeration = re.compile(r"public enum (\w+): \w+, CaseIterable.*?\n}\n", re.S)
    for enum in enumeration.finditer(path.read_text()):
        cases = re.findall(r"^ {4}case ([^.\n]+)$", enum[0], re.M)
        names = [name.partition("=")[0].strip() for line in cases for name in line.split(",")]
        result += [f"extension {enum[1]}: @retroactive CustomStringConvertible {{"]
        result += ["    public var description: String {", "        switch self {"]
        result += [f'        case .{name}: "{name}"' for name in names]
        result += ["        }", "    }", "}", ""]
    return "\n".join(result)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--outdir", type=Path, required=True)
    parser.add_argument("--enumerations", type=Path, nargs="+", required=True, help="their files")
    parser.add_argument("--tests", type=Path, nargs="+", required=True, help="files of tests")
    arguments = parser.parse_args()
    arguments.outdir.mkdir(parents=True, exist_ok=True)
    suites = []
    for path in arguments.tests:
        text, tests = take_tests(path.read_text())
        text = with_plain_expectations(text, path.name)
        for suite in dict.fromkeys(test.suite for test in tests):
            text += "\n" + runner(suite, [test for test in tests if test.suite == suite])
            suites.append(suite)
        (arguments.outdir / path.name).write_text(without_errors_and_key_paths(text))
    lines = ["import BlockFormats", "import KernelInterface", "import Testing", ""]
    lines += [descriptions(path) for path in arguments.enumerations]
    lines += ["@main struct Program {", "    static func main() {"]
    lines += [f"        {suite}.runTests()" for suite in suites]
    lines += ["        end()", "    }", "}", ""]
    (arguments.outdir / "Program.swift").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
