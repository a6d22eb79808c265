// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing
import TrimLLaVA

@testable import Evaluation

/// The published sets that are tables or folders: MMBench and MME.
@Suite struct PublishedTableTests {
    private static let header = "index\tquestion\thint\tA\tB\tC\tD\tanswer\tcategory\timage\n"

    /// A picture's file.
    private var picture: [UInt8] {
        get throws {
            try [UInt8](
                Data(contentsOf: URL(fileURLWithPath: Fixture.path("models/pictures/small.png"))))
        }
    }

    @Test func mmBenchHasPicturesAndCopiesInItsTable() throws {
        let base64 = Data(try picture).base64EncodedString()
        let table =
            Self.header
            + "5\tWhich?\t\"Say \"\"so\"\".\nTwice\"\tcat\tdog\tnan\t\tB\tanimals\t\(base64)\r\n"
            + "1000005\tWhich?\tnan\tdog\tcat\t\t\tA\tanimals\t5\n"
        let folder = try PublishedFolder(["mmbench_dev.tsv": table])
        let questions = try folder.questions("mmbench", "mmbench_dev.tsv")
        #expect(questions.map(\.id) == ["5", "1000005"] && questions.map(\.unit) == ["5", "5"])
        #expect(questions[0].question == "Say \"so\".\nTwice\nWhich?\nA. cat\nB. dog")
        #expect(questions[1].question == "Which?\nA. dog\nB. cat")
        #expect(questions[0].pictures == questions[1].pictures)
        let shown = try questions[0].pictures[0].decoded(.dropped)
        #expect(
            shown.size
                == (try PictureDecoder.load(path: Fixture.path("models/pictures/small.png")).size))
        #expect(try folder.questions("mmbench-vanilla", "mmbench_dev.tsv").map(\.id) == ["5"])
    }

    private static let damaged: [(String, String)] = [
        ("", "holds no questions"), ("index\tquestion\n", #"line 1: expected a column "A""#),
        (header + "1\tq\t\ta\tb\t\t\tA\n", "line 2: expected 10 cells, found 8"),
        (header + "x\tq\t\ta\tb\t\t\tA\tc\tAAAA\n", "line 2, index: expected a whole number"),
        (
            header + "1\tq\t\ta\tb\t\t\tC\tc\tAAAA\n",
            "line 2, answer: expected the letter of one of its 2 choices"
        ),
        (header + "1\tq\t\ta\tb\t\t\t\tc\tAAAA\n", "line 2, answer: expected a text"),
        (
            header + "1\tq\t\ta\tb\t\t\tA\tc\t9\n",
            "line 2, image: expected a picture in base64, or the index"
        ),
        (header + "1\t\"q\t\ta\tb\t\t\tA\tc\t9\n", "line 2: expected a quoted cell that ends"),
        (header, "holds no questions"),
    ]

    @Test(arguments: damaged)
    func damagedTablesAreRefused(table: String, problem: String) throws {
        let folder = try PublishedFolder(["mmbench_dev.tsv": table])
        let found = folder.problem("mmbench", "mmbench_dev.tsv")
        #expect(found.contains(problem), "\(found)")
    }

    @Test func aDamagedPictureIsNamed() throws {
        let row = "1\tq\t\ta\tb\t\t\tA\tc\t" + String(repeating: "!", count: 80)
        let folder = try PublishedFolder(["t.tsv": Self.header + row])
        let question = try #require(try folder.questions("mmbench", "t.tsv").first)
        #expect(throws: (any Error).self) { try question.pictures[0].decoded(.dropped) }
        do {
            _ = try question.pictures[0].decoded(.dropped)
        } catch { #expect("\(error)".hasPrefix("\(folder.path)/t.tsv, line 2: damaged base64")) }
    }

    private static let pair =
        "Is it a cat? Please answer yes or no.\tYes\nIs it red? Please answer yes or no.\tNo\n"

    @Test func mmeHasFoldersOfBothKinds() throws {
        let folder = try PublishedFolder([
            "count/0001.txt": Self.pair, "count/0001.png": "",
            "scene/questions_answers_YN/p.txt": Self.pair, "scene/images/p.jpg": "",
            "eval_tool/readme.txt": "x",
        ])
        let questions = try #require(PublishedSet.named("mme")).questions([folder.path])
        #expect(questions.map(\.task) == ["count", "count", "scene", "scene"])
        #expect(questions.map(\.answers) == [["yes"], ["no"], ["yes"], ["no"]])
        #expect(questions[1].question == "Is it red?" && questions[1].unit == "count/0001.png")
        #expect(questions[0].pictures == [.file(folder.path + "/count/0001.png")])
        #expect(questions[2].pictures == [.file(folder.path + "/scene/images/p.jpg")])
    }

    @Test func mmeIsAlsoReadFromItsResultFiles() throws {
        let lines = Self.pair.split(separator: "\n").map { "p.jpg\t\($0)\n" }.joined()
        let folder = try PublishedFolder(["Your_Results/OCR.txt": lines, "set/OCR/p.jpg": ""])
        let questions = try #require(PublishedSet.named("mme")).questions(
            [folder.path + "/Your_Results"], images: folder.path + "/set")
        #expect(questions.map(\.id) == ["OCR/p.jpg/1", "OCR/p.jpg/2"])
        #expect(questions[1].pictures == [.file(folder.path + "/set/OCR/p.jpg")])
    }

    private static let others: [([String: String], String)] = [
        (["count/1.txt": "a\tYes\n"], "/count/1.txt: expected 2 lines, found 1"),
        (
            ["count/1.txt": "a\tYes\nb\tMaybe\n"],
            "/count/1.txt, line 2: expected the answer Yes or No"
        ),
        (
            ["count/1.txt": "a\tYes\nb\n"],
            "/count/1.txt, line 2: expected a question, a tab and the answer"
        ),
        (["count.txt": "p\ta\tYes\n"], "/count.txt, count/p: expected 2 questions, found 1"),
        (["other/1.txt": "a\tYes\n"], "expected a folder with the folder or the file of a subtask"),
    ]

    @Test(arguments: others)
    func otherFoldersAreRefused(files: [String: String], problem: String) throws {
        let folder = try PublishedFolder(files)
        do {
            _ = try PublishedSet.named("mme")?.questions([folder.path])
            Issue.record("read")
        } catch { #expect("\(error)".contains(problem), "\(error)") }
    }
}
