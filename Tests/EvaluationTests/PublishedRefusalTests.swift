// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Evaluation

/// Files that are not what a published set's layout says end in an error that names the place.
@Suite struct PublishedRefusalTests {
    private typealias Case = (set: String, texts: [String], problem: String)

    private static let seed =
        #""data_type": "image", "question_id": 1, "question": "q", "choice_a": "a", "#
        + #""choice_b": "b", "choice_c": "c", "choice_d": "d", "data_id": "p""#

    private static let cases: [Case] = [
        ("pope", ["{"], "a.json: expected JSON: line 1:"),
        (
            "pope", [#"{"question_id": 1, "image": "a", "text": "t"}"#],
            #"line 1: expected an object with "label""#
        ),
        (
            "pope", [#"{"question_id": [], "image": "a", "text": "t", "label": "yes"}"#],
            "line 1, question_id: expected a text or a whole number"
        ),
        (
            "pope", [#"{"question_id": 1, "image": "a", "text": "t", "label": "maybe"}"#],
            #"line 1, label: expected "yes" or "no""#
        ),
        ("pope", [""], "holds no questions"),
        ("textvqa", ["[]"], "a.json: expected an object"),
        (
            "textvqa",
            [#"{"data": [{"question_id": 1, "image_id": 2, "question": "q", "answers": []}]}"#],
            "a.json, data[0].image_id: expected a text"
        ),
        (
            "textvqa",
            [
                #"{"data": [{"question_id": 1, "image_id": "2", "question": "q", "answers": ["a"]}]}"#
            ],
            "a.json, data[0].answers: expected the answers of 10 people, found 1"
        ),
        ("textvqa", [#"{"data": 3}"#], "a.json, data: expected a list"),
        ("vqav2", ["{}"], "vqav2 is read from the questions and the annotations"),
        (
            "vqav2", [#"{"data_subtype": "v", "questions": [{"image_id": "x"}]}"#, "{}"],
            "a.json, questions[0].image_id: expected a whole number"
        ),
        (
            "vqav2",
            [
                #"{"data_subtype": "v", "questions": []}"#,
                #"{"annotations": [{"question_id": 1, "answer_type": "o", "answers": []}]}"#,
            ],
            "b.json, annotations[0].answers: expected the answers of 10 people"
        ),
        (
            "vizwiz", [#"[{"image": "a", "question": "q", "answer_type": "x"}]"#],
            #"a.json, [0]: expected an object with "answers""#
        ),
        ("vizwiz", [#"[null]"#], "a.json, [0]: expected an object"),
        (
            "gqa", [#"{"1": {"imageId": "n", "question": 3, "answer": "a"}}"#],
            "a.json, 1.question: expected a text"
        ),
        ("gqa", ["not json"], "a.json: expected JSON"),
        (
            "scienceqa",
            [
                #"{"1": {"question": "q", "choices": ["a"], "answer": 1, "hint": ""}}"#,
                #"{"test": ["1"]}"#,
            ],
            "a.json, 1.answer: expected the number of one of 1 choices, from 0"
        ),
        ("scienceqa", ["{}", #"{"train": []}"#], #"b.json: expected an object with "test""#),
        (
            "seed-bench",
            [
                #"{"question_type": {}, "questions": [{\#(seed), "answer": "A", "question_type_id": 1}]}"#
            ],
            "questions[0].question_type_id: expected a number in \"question_type\""
        ),
        (
            "seed-bench",
            [
                #"{"question_type": {"x": 1}, "questions": [{\#(seed), "answer": "E", "question_type_id": 1}]}"#
            ],
            "questions[0].answer: expected A, B, C or D"
        ),
        (
            "seed-bench", [#"{"question_type": {}, "questions": [{}]}"#],
            #"questions[0]: expected an object with "data_type""#
        ),
        (
            "milebench",
            [PublishedSetTests.mileBench("essay", "{image#1}{image#2}", nil, response: "x")],
            #"a.json, meta_data.question_type: expected "open-ended" or "multi-choice""#
        ),
        (
            "milebench",
            [
                PublishedSetTests.mileBench(
                    "open-ended", "{image#1}{image#2}{image#2}", nil, response: "x")
            ],
            "a.json, data[0].task_instance.context: expected {image#1} to {image#2}, found 3 marks"
        ),
        (
            "milebench",
            [PublishedSetTests.mileBench("open-ended", "{image#1}{image#2}", nil, response: "?")],
            "a.json, data[0].response: expected a text"
        ),
        (
            "milebench",
            [PublishedSetTests.mileBench("multi-choice", "{image#1}{image#2}", nil, response: "x")],
            #"a.json, data[0].task_instance: expected an object with "choice_list""#
        ),
        (
            "milebench",
            [
                PublishedSetTests.mileBench(
                    "multi-choice", "{image#1}{image#2}", #""choice_list": ["a", "b"]"#,
                    response: "x")
            ],
            "a.json, data[0].response: expected one of the choices"
        ),
        (
            "milebench",
            [
                PublishedSetTests.mileBench("open-ended", "{image#1}{image#2}", nil, response: "x")
                    .replacing(#""task_instruction_id": 1"#, with: #""task_instruction_id": 2"#)
            ],
            "a.json, data[0].task_instruction_id: expected the number of one of 2 instructions"
        ),
    ]

    @Test(arguments: cases.indices) func damagedFilesAreNamed(index: Int) throws {
        let (set, texts, problem) = Self.cases[index]
        let names = ["a.json", "b.json"].prefix(texts.count)
        let folder = try PublishedFolder(Dictionary(uniqueKeysWithValues: zip(names, texts)))
        do {
            _ = try PublishedSet.named(set)?.questions(names.map { "\(folder.path)/\($0)" })
            Issue.record("read: \(texts)")
        } catch { #expect("\(error)".contains(problem), "\(error)") }
    }

    @Test func oneIDStandsForOneQuestion() throws {
        let line = #"{"question_id": 1, "image": "a", "text": "t", "label": "yes"}"#
        let folder = try PublishedFolder(["a.json": "\(line)\n\(line)"])
        #expect(
            folder.problem("pope", "a.json").hasSuffix(
                "id a/1: expected another id for every question"))
    }

    @Test func aFolderWithoutItsPicturesIsRefused() throws {
        let line = #"{"question_id": 1, "image": "a.jpg", "text": "t", "label": "yes"}"#
        let folder = try PublishedFolder(["a.json": line])
        #expect(
            folder.problem("pope", "a.json")
                == "\(folder.path)/val2014/a.jpg: not found, and neither are the other pictures of 1 questions; "
                + "expected their folder by --images")
    }

    @Test func aMissingFileIsNamed() throws {
        let folder = try PublishedFolder([:])
        for set in PublishedSet.all where set.name != "mme" {
            let paths = Array(repeating: folder.path + "/none", count: set.fileCount.lowerBound)
            #expect(throws: EvaluationError.self) { try set.questions(paths) }
        }
    }
}
