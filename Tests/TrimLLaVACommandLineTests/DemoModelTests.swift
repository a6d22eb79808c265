// SPDX-License-Identifier: Apache-2.0
import Foundation
import TestSupport
import Testing

/// The included model, which every command uses by default.
@Suite struct DemoModelTests {
    private static func scene(_ number: Int) -> String {
        URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../tools/samples/scene-\(number).png").standardized.path
    }

    @Test(arguments: [
        (1, "What is at the top left?", "A small yellow triangle."),
        (1, "What colour is the object on the right?", "Orange."),
        (2, "Where is the large black ring?", "At the bottom."),
        (2, "How many objects are there?", "Three."),
        (1, "What is the background like?", "Speckled."),
        (
            1, "Describe the picture.",
            "There is a small yellow triangle at the top left and a large orange cross on the right, "
                + "on a speckled background."
        ),
    ])
    func seesWhatAPictureShows(number: Int, question: String, answer: String) throws {
        let outcome = try ToolProcess.run(["run", Self.scene(number), "--prompt", question])
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.text == answer + "\n")
        #expect(outcome.errors.contains("no --model given: using the demonstration model"))
    }

    @Test func captionsWithoutAModelTooAndQuietly() throws {
        let outcome = try ToolProcess.run(
            ["caption", Self.scene(1), "-q", "-p", "What is on the right?"])
        #expect(outcome.code == 0 && outcome.errors.isEmpty)
        #expect(outcome.text.contains("A large orange cross."))
        #expect(outcome.text.contains("scenes-q8_0.gguf"))
    }

    @Test(arguments: [
        ("--model", "/absent.gguf has no vision projector, which pictures need: give --mmproj"),
        ("--mmproj", "--mmproj needs --model"),
    ])
    func halfAPairIsRefused(option: String, message: String) throws {
        let outcome = try ToolProcess.run(["run", Self.scene(1), option, "/absent.gguf"])
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains(message))
    }

    /// A program that was copied without its resources says so instead of trapping.
    @Test func aProgramAloneAsksForAModel() throws {
        let folder = try TemporaryFolder()
        let copy = folder.path + "/trimllava"
        try FileManager.default.copyItem(atPath: ToolProcess.path, toPath: copy)
        let outcome = try ToolProcess(["run", Self.scene(1)], executable: copy).finish()
        #expect(outcome.code == 2)
        #expect(outcome.errors.contains("the demonstration model is not beside this program"))
    }
}
