# SPDX-License-Identifier: Apache-2.0
"""plain_tests: the rewriting of expectations, arguments, errors and key paths."""

from __future__ import annotations

from pathlib import Path

from plain_tests import descriptions, runner, take_tests, with_plain_expectations
from plain_tests import without_errors_and_key_paths as without_errors

SUITE = '''
@Suite("Sums")
struct SumTests {
    @Test(arguments: tables.map(\\.name), [(Kind.a, 0..<2), (.b, 1..<3)])
    func sumsFit(
        table: String, largest: (kind: Kind, bytes: Range<Int>)
    ) throws {
        #expect(
            abs(sum(table, [1, 2])) <= bound,
            "\\(table), \\(largest.kind)")
        let first = try #require(sums.first)
        #expect(first.isNaN || "a, b" == "c")
    }

    @Test func nothingIsZero() throws
    {
        #expect(sum([]) == 0)
    }
}
'''


def test_expectations_keep_their_lines_and_show_their_sides() -> None:
    plain = with_plain_expectations(SUITE, "Sums.swift").splitlines()
    assert plain[7].strip() == (
        'expectAtMost(abs(sum(table, [1, 2])), bound, #"abs(sum(table, [1, 2])) <= bound"#, '
        '#"Sums.swift:8"#, "\\(table), \\(largest.kind)")'
    )
    # Two conditions have no two sides. Brackets and commas in strings do not count.
    assert plain[11].strip().startswith('expect(first.isNaN || "a, b" == "c", ')
    assert 'expectEqual(sum([]), 0, #"sum([]) == 0"#, #"Sums.swift:17"#, #""#)' in plain[16]
    assert len(plain) == len(SUITE.splitlines())


def test_every_test_runs_with_all_its_arguments() -> None:
    text, tests = take_tests(SUITE)
    assert "@" not in text and text.count("\n") == SUITE.count("\n")
    assert [(test.suite, test.name) for test in tests] == [
        ("SumTests", "sumsFit"), ("SumTests", "nothingIsZero"),
    ]
    run = without_errors(runner("SumTests", tests)).splitlines()
    assert "for argument0 in tables.map({ $0.name }) {" in run
    kind = "(kind: Kind, bytes: Range<Int>)"
    assert f"for argument1 in [(Kind.a, 0..<2), (.b, 1..<3)] as [{kind}] {{" in run
    assert "SumTests().sumsFit(table: argument0, largest: argument1)" in run
    assert "SumTests().nothingIsZero()" in run


def test_errors_end_the_program() -> None:
    text = without_errors(SUITE)
    assert "throws" not in text and "let first = require(sums.first)" in text
    assert without_errors("let x = try named(a)") == "let x = try! named(a)"


def test_cases_have_names(tmp_path: Path) -> None:
    file = tmp_path / "Kind.swift"
    file.write_text(
        "public enum Kind: UInt32, CaseIterable, Sendable {\n    case a, b_C\n    case d = 7\n\n"
        "    var size: Int {\n        switch self {\n        case .a: 1\n        }\n    }\n}\n"
    )
    names = descriptions(file)
    assert [f'case .{name}: "{name}"' in names for name in ("a", "b_C", "d")] == [True] * 3
    assert names.count("case ") == 3
