// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Evaluation

@Suite struct QuestionFileTests {
    private func read(_ lines: String) throws -> [EvaluationQuestion] {
        let folder = try TemporaryFolder()
        return try EvaluationQuestion.read(
            path: folder.write(Array(lines.utf8), to: "questions.jsonl"))
    }

    private func problem(_ lines: String) -> String {
        do {
            _ = try read(lines)
            return ""
        } catch { return "\(error)" }
    }

    @Test func linesOfEveryKindAreRead() throws {
        let questions = try read(
            #"""
            {"image": "a.png", "question": "Which colour?", "answers": ["red", "crimson"], "task": "colour"}

            {"id": "x", "image": ["a.png", "/b.png"], "question": "How many?", "answer": 3}
            {"id": 7, "question": "Is it day?", "answer": "no", "metric": "exact"}
            {"id": "c", "image": "c.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, \#
            {"from": "gpt", "value": "A cat."}, {"from": "human", "value": "Where?"}, \#
            {"from": "gpt", "value": "Left."}]}
            """#)
        #expect(questions.map(\.id) == ["1", "x", "7", "c", "c/2"])
        #expect(questions[0].answers == ["red", "crimson"] && questions[0].task == "colour")
        #expect(questions[0].pictures[0].path?.hasSuffix("/a.png") == true)
        #expect(questions[1].pictures[1] == .file("/b.png") && questions[1].answers == ["3"])
        #expect(questions[2].metric == .exact && questions[2].pictures.isEmpty)
        #expect(questions[3].question == "What?" && questions[4].question == "Where?")
        #expect(questions[4].pictures == questions[3].pictures)
    }

    @Test(arguments: [
        ("", "holds no questions"), ("{}", "line 1: expected \"question\""),
        ("not json", "line 1: expected a JSON object"),
        ("{\"question\": \"a\"}", "line 1: a question needs"),
        ("{\"question\": \"a\", \"answers\": []}", "no answer"),
        ("{\"question\": \"a\", \"answers\": {}}", "line 1: expected a JSON object"),
        (
            "{\"conversations\": [{\"from\": \"gpt\", \"value\": \"a\"}, "
                + "{\"from\": \"human\", \"value\": \"a\"}]}",
            "must alternate between human and gpt"
        ),
    ])
    func badLinesAreNamed(lines: String, problem: String) {
        #expect(self.problem(lines).contains(problem))
    }

    @Test func linesFromWindowsAreRead() throws {
        let line = #"{"question": "a é", "answers": ["x"]}"#
        for text in [line + "\r\n", "\u{FEFF}\r\n" + line + "\r\n\r\n"] {
            #expect(try read(text).map(\.question) == ["a é"])
        }
        #expect(problem("\r\n\n{}\r\n").contains("line 3: expected"))
        let folder = try TemporaryFolder()
        let bytes: [UInt8] = ("\u{FEFF}" + line + "\r\n").utf16.flatMap { unit in
            [UInt8(unit & 0xFF), UInt8(unit >> 8)]
        }
        let wide = try folder.write(bytes, to: "wide.jsonl")
        #expect(try EvaluationQuestion.read(path: wide).map(\.question) == ["a é"])
        let bad = try folder.write(Array(line.utf8) + [10, 0xE9, 10], to: "bad.jsonl")
        #expect(
            throws: EvaluationError.text(.notUTF8(place: bad, offset: line.utf8.count + 1))
        ) { try EvaluationQuestion.read(path: bad) }
    }

    /// Answers are told apart by the questions' ids.
    @Test func everyQuestionHasItsOwnID() throws {
        let folder = try TemporaryFolder()
        func read(_ ids: [String]) throws -> [String] {
            let lines = ids.map { id in
                "{\(id)\"question\":\"Who?\",\"answer\":\"a\"}\n"
            }
            let path = try folder.write(Array(lines.joined().utf8), to: "q.jsonl")
            return try EvaluationQuestion.read(path: path).map(\.id)
        }
        #expect(try read(["\"id\":\"a\",", "", "\"id\":7,"]) == ["a", "2", "7"])
        let path = folder.path + "/q.jsonl"
        #expect(
            throws: EvaluationError.sameID(path: path, id: "a", line: 3, earlierLine: 1)
        ) { try read(["\"id\":\"a\",", "", "\"id\":\"a\","]) }
        // A line without an id has its number.
        #expect(
            throws: EvaluationError.sameID(path: path, id: "2", line: 2, earlierLine: 1)
        ) { try read(["\"id\":2,", ""]) }
    }

    @Test(arguments: ["{\"id\":\"2\",\"sett\n", "\u{0}\u{0}\n"])
    func aBrokenLastAnswerIsDropped(line: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/answers.jsonl"
        let record = EvaluationRecord(
            id: "1", setting: "unpruned", text: "a", error: nil, visualTokens: 9, keptTokens: 3)
        try AnswerFile(path: path, run: "run").append(record)
        let whole = try String(contentsOfFile: path, encoding: .utf8)
        try folder.write(Array((whole + "\n" + line).utf8), to: "answers.jsonl")
        #expect(try AnswerFile(path: path, run: "run").before == [record])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == whole + "\n")
    }

    @Test func answersAreKeptAndATornLineIsDropped() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/answers.jsonl"
        let record = EvaluationRecord(
            id: "1", setting: "unpruned", text: "a \"b\"\nc", error: nil, visualTokens: 9,
            keptTokens: 3)
        do {
            let file = try AnswerFile(path: path, run: "run")
            try file.append(record)
            #expect(throws: EvaluationError.self) { try AnswerFile(path: path, run: "run") }
            try file.append(record)
        }
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try String(text.dropLast(5)).write(toFile: path, atomically: false, encoding: .utf8)
        #expect(try AnswerFile(path: path, run: "run").before == [record])
        #expect(
            throws: EvaluationError.otherRun(path: path, found: "run", expected: "another")
        ) { try AnswerFile(path: path, run: "another") }
        #expect(throws: EvaluationError.self) {
            try AnswerFile(path: folder.path + "/none/a.jsonl", run: "run")
        }
    }
}
