// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

@testable import Evaluation

/// Small files in the layouts of the published sets.
@Suite struct PublishedSetTests {
    /// Ten people's answers, as JSON.
    static let ten = "[" + Array(repeating: #""red""#, count: 10).joined(separator: ", ") + "]"
    /// The same as objects.
    static let tenObjects =
        "["
        + Array(repeating: #"{"answer": "red", "answer_confidence": "yes"}"#, count: 10)
        .joined(separator: ", ") + "]"
    private static let short = "\nAnswer the question using a single word or phrase."
    private static let byLetter =
        "\nAnswer with the option's letter from the given choices directly."

    @Test func popeHasAFileForEachKind() throws {
        let folder = try PublishedFolder([
            "coco_pope_random.json": #"""
            {"question_id": 1, "image": "a.jpg", "text": "Is there a dog in the image?", "label": "yes"}
            {"question_id": 2, "image": "a.jpg", "text": "Is there a cat in the image?", "label": "no"}
            """#,
            "coco_pope_popular.json":
                #"{"question_id": 1, "image": "b.jpg", "text": "Is there a car?", "label": "no"}"#,
            "val2014/b.jpg": "",
        ])
        let questions = try folder.questions(
            "pope", "coco_pope_random.json", "coco_pope_popular.json")
        #expect(
            questions.map(\.id) == [
                "coco_pope_random/1", "coco_pope_random/2", "coco_pope_popular/1",
            ])
        #expect(questions[1].answers == ["no"] && questions[1].metric == .pope)
        #expect(questions[2].pictures == [.file(folder.path + "/val2014/b.jpg")])
        #expect(questions[0].question == "Is there a dog in the image?")
        #expect(questions[0].suffix == Self.short && questions[2].task == "coco_pope_popular")
    }

    @Test func textVQAHasAnswersOfTenPeopleAndOCRTokens() throws {
        let folder = try PublishedFolder([
            "TextVQA_0.5.1_val.json": #"""
            {"dataset_type": "val", "data": [{"question_id": 34602, "image_id": "003a8ae2ef43b901",
             "question": "what is the brand of this Camera?", "answers": \#(Self.ten)}]}
            """#,
            "ocr.json":
                #"{"data": [{"image_id": "003a8ae2ef43b901", "ocr_tokens": ["DAKOTA", "digital"]}]}"#,
            "none.json": #"{"data": []}"#, "train_images/003a8ae2ef43b901.jpg": "",
        ])
        let question = try #require(
            try folder.questions("textvqa", "TextVQA_0.5.1_val.json").first)
        #expect(question.question == "What is the brand of this camera?")
        #expect(question.suffix == Self.short && question.metric == .vqa)
        #expect(question.answers.count == 10 && question.id == "34602")
        let read = try #require(
            try folder.questions("textvqa", "TextVQA_0.5.1_val.json", "ocr.json").first)
        #expect(read.suffix == "\nReference OCR token: DAKOTA, digital" + Self.short)
        #expect(
            folder.problem("textvqa", "TextVQA_0.5.1_val.json", "none.json").hasSuffix(
                "/none.json, data: expected an entry with image_id 003a8ae2ef43b901"))
    }

    @Test func vqaV2HasQuestionsAndAnnotations() throws {
        let folder = try PublishedFolder([
            "questions.json": #"""
            {"data_subtype": "val2014", "questions": [
             {"image_id": 262148, "question": "Where is he looking?", "question_id": 262148000}]}
            """#,
            "annotations.json": #"""
            {"annotations": [{"question_id": 262148000, "answer_type": "other", "answers": \#(Self.tenObjects)}]}
            """#,
            "empty.json": #"{"annotations": []}"#, "val2014/COCO_val2014_000000262148.jpg": "",
        ])
        let question = try #require(
            try folder.questions("vqav2", "questions.json", "annotations.json").first)
        #expect(
            question.pictures == [.file(folder.path + "/val2014/COCO_val2014_000000262148.jpg")])
        #expect(question.task == "other" && question.metric == .vqaV2)
        #expect(
            folder.problem("vqav2", "questions.json", "empty.json").hasSuffix(
                "annotations: expected an entry with question_id 262148000"))
        #expect(
            folder.problem("vqav2", "annotations.json", "questions.json").hasSuffix(
                #"annotations.json: expected an object with "data_subtype""#))
    }

    @Test func vizWizSaysWhatCannotBeAnswered() throws {
        let folder = try PublishedFolder([
            "val.json": #"""
            [{"image": "VizWiz_val_00000000.jpg", "question": "ok. What is this?", "answer_type": "unanswerable",
              "answerable": 0, "answers": \#(Self.tenObjects)}]
            """#, "val/VizWiz_val_00000000.jpg": "",
        ])
        let question = try #require(try folder.questions("vizwiz", "val.json").first)
        #expect(question.question == "Ok. what is this?" && question.task == "unanswerable")
        #expect(
            question.suffix
                == "\nWhen the provided information is insufficient, respond with 'Unanswerable'."
                + Self.short)
    }

    @Test func gqaIsAnObject() throws {
        let folder = try PublishedFolder([
            "testdev_balanced_questions.json": #"""
            {"201640614": {"imageId": "n161313", "question": "Who is wearing the dress?", "answer": "woman",
             "types": {"structural": "query"}}, "20": {"imageId": "n1", "question": "Is it?", "answer": "no"}}
            """#
        ])
        let questions = try folder.questions(
            "gqa", "testdev_balanced_questions.json", images: "pictures", ["pictures/n1.jpg"])
        #expect(questions.map(\.id) == ["20", "201640614"])
        #expect(questions[1].pictures == [.file(folder.path + "/pictures/n161313.jpg")])
        #expect(questions[0].metric == .gqa && questions[0].suffix == Self.short)
    }

    @Test func scienceQAAsksItsTestSplit() throws {
        let folder = try PublishedFolder([
            "problems.json": #"""
            {"4": {"question": "Which is north?", "choices": ["Maine", "Ohio"], "answer": 0, "hint": "Look.",
                   "image": "image.png", "split": "test"},
             "5": {"question": "What is it?", "choices": ["a", "b", "c"], "answer": 2, "hint": "", "image": null},
             "6": {"question": "No?", "choices": ["a"], "answer": 0, "hint": "", "image": null}}
            """#,
            "pid_splits.json": #"{"train": ["6"], "test": ["5", "4"]}"#,
            "other.json": #"{"test": ["7"]}"#, "images/test/4/image.png": "",
        ])
        let questions = try folder.questions("scienceqa", "problems.json", "pid_splits.json")
        #expect(questions.map(\.id) == ["5", "4"] && questions.map(\.answers) == [["C"], ["A"]])
        #expect(questions[0].question == "What is it?\nA. a\nB. b\nC. c")
        #expect(questions[1].question == "Context: Look.\nWhich is north?\nA. Maine\nB. Ohio")
        #expect(questions[1].suffix == Self.byLetter && questions[0].pictures.isEmpty)
        #expect(questions[1].pictures == [.file(folder.path + "/images/test/4/image.png")])
        #expect(
            try folder.questions("scienceqa-img", "problems.json", "pid_splits.json").map(\.id)
                == ["4"])
        #expect(
            folder.problem("scienceqa", "problems.json", "other.json").hasSuffix(
                #"problems.json: expected an entry with the key "7""#))
    }

    @Test func seedBenchLeavesVideosOut() throws {
        let folder = try PublishedFolder([
            "SEED-Bench.json": #"""
            {"question_type": {"Scene Understanding": 1, "Action Prediction": 11}, "questions": [
             {"question_id": "101669", "question": "What is it?", "choice_a": "One", "choice_b": "Two", "choice_c": 3,
              "choice_d": "Four", "answer": "A", "data_type": "image", "data_id": "1454426_2591111986",
              "question_type_id": 1},
             {"question_id": "2", "data_type": "video", "data_id": "x.mp4", "question_type_id": 11}]}
            """#, "SEED-Bench-image/1454426_2591111986": "",
        ])
        let questions = try folder.questions("seed-bench", "SEED-Bench.json")
        #expect(questions.count == 1 && questions[0].task == "Scene Understanding")
        #expect(questions[0].question == "What is it?\nA. One\nB. Two\nC. 3\nD. Four")
        #expect(
            questions[0].pictures == [.file(folder.path + "/SEED-Bench-image/1454426_2591111986")])
    }

    @Test func mileBenchMarksItsPictures() throws {
        let folder = try PublishedFolder([
            "ObjectExistence.json": Self.mileBench(
                "multi-choice", "{image#1}{image#2}Which?",
                #""choice_list": ["Yes", "No"]"#, response: "No"),
            "MultiModalQA.json": Self.mileBench(
                "open-ended", "Table: {table#1} and {image#2} then?", nil, response: "a dog"),
            "IEdit.json": Self.mileBench(
                "open-ended", "and {image#2} then?", nil, response: "a dog"),
            "images/a.jpg": "",
        ])
        let questions = try folder.questions(
            "milebench", "ObjectExistence.json", "MultiModalQA.json", "IEdit.json")
        #expect(
            questions[0].question
                == "Look.\n<image>\n<image>\nWhich?\nChoice list: \nA. Yes\nB. No\nYour answer is: "
        )
        #expect(questions[0].metric == .mileBenchChoice && questions[0].choices == ["Yes", "No"])
        #expect(questions[1].question == "Look.\nTable: <image> and <image> then?")
        #expect(questions[1].metric == .rougeL && questions[1].id == "MultiModalQA/7")
        #expect(questions[1].pictures.last == .file(folder.path + "/images/b.jpg"))
        #expect(questions[2].question == "Look.\n<image>and <image> then?")
    }

    /// A data set of MileBench with one sample of two pictures.
    static func mileBench(
        _ type: String, _ context: String, _ choices: String?, response: String
    ) -> String {
        #"""
        {"meta_data": {"dataset": "x", "num_sample": 1, "task_instruction": ["No.", "Look."],
         "question_type": "\#(type)"},
         "data": [{"sample_id": 7, "task_instruction_id": 1, "response": "\#(response)",
          "image_quantity_level": "Few", "task_instance": {"context": "\#(context)",
          "images_path": ["a.jpg", "b.jpg"]\#(choices.map { ", " + $0 } ?? "")}}]}
        """#
    }
}

/// A folder with files of a published set.
final class PublishedFolder {
    private let folder: TemporaryFolder
    var path: String { folder.path }

    /// Writes files by their paths in the folder.
    init(_ files: [String: String]) throws {
        folder = try TemporaryFolder()
        for (name, text) in files { try write(Array(text.utf8), to: name) }
    }

    func write(_ bytes: [UInt8], to name: String) throws {
        let file = URL(fileURLWithPath: path).appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(bytes).write(to: file)
    }

    /// The questions of a set in files of the folder.
    func questions(
        _ set: String, _ files: String..., images: String? = nil, _ pictures: [String] = []
    ) throws -> [EvaluationQuestion] {
        for picture in pictures { try write([], to: picture) }
        return try #require(PublishedSet.named(set)).questions(
            files.map { "\(path)/\($0)" }, images: images.map { "\(path)/\($0)" })
    }

    /// What reading says, without an error nothing.
    func problem(_ set: String, _ files: String...) -> String {
        do {
            _ = try PublishedSet.named(set)?.questions(files.map { "\(path)/\($0)" })
            return ""
        } catch { return "\(error)" }
    }
}
