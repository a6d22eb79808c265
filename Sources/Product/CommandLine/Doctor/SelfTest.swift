// SPDX-License-Identifier: Apache-2.0
import DemoModel
import Foundation
import Imaging
import TrimLLaVA

/// Questions to the demonstration model whose answers are known.
enum SelfTest {
    /// What came of the questions with one table of kernels.
    struct Result: Encodable {
        let kernels: String
        let seconds: Double
        /// What was wrong; nil if every answer was the known one.
        let failure: String?
    }

    /// What all kernels answer about `picture`, from all visual tokens and from `kept` of them.
    ///
    /// The model is sure of each word: activations in bytes and in floats give the same answer.
    static let knownAnswer =
        "There is a small red square at the top left and a small blue circle at the bottom right, "
        + "on a plain background."
    static let question = "Describe the picture."
    private static let kept = 64

    /// A red square at the top left and a blue disc at the bottom right.
    static var picture: Picture {
        let side = 336
        var pixels: [UInt8] = []
        pixels.reserveCapacity(3 * side * side)
        for y in 0..<side {
            for x in 0..<side {
                let isSquare = (34..<90).contains(x) && (34..<90).contains(y)
                let isDisc = (x - 280) * (x - 280) + (y - 280) * (y - 280) < 30 * 30
                pixels += isSquare ? [200, 40, 40] : isDisc ? [40, 80, 200] : [225, 215, 190]
            }
        }
        return Picture(width: side, height: side, pixels: pixels)
    }

    /// Asks the model with one table of kernels.
    ///
    /// - Parameter files: nil where the demonstration model is not beside the program.
    static func run(on files: DemoModel.Files?, kernels: String) -> Result {
        let start = ContinuousClock.now
        let failure: String?
        if let files {
            do {
                failure = try wrongAnswer(files, kernels: kernels)
            } catch {
                failure = errorLine(error)
            }
        } else {
            failure = "the demonstration model is not beside this program"
        }
        return Result(
            kernels: kernels,
            seconds: OutputSchema.seconds((ContinuousClock.now - start) / .seconds(1)),
            failure: failure)
    }

    /// The first answer that is not the known one.
    private static func wrongAnswer(
        _ files: DemoModel.Files, kernels: String
    ) throws -> String? {
        let llava = try LLaVA(
            text: files.text, projector: files.projector, options: LoadOptions(kernels: kernels))
        for pruning in [nil, PruningOptions(budget: .count(kept))] {
            let answer = try llava.conversation().ask(
                question, pictures: [picture],
                options: GenerationOptions(maxNewTokens: 64, pruning: pruning))
            let tokens = pruning == nil ? "all visual tokens" : "\(kept) visual tokens"
            guard answer.text == knownAnswer else {
                return "from \(tokens) the model answered \"\(answer.text)\", "
                    + "expected \"\(knownAnswer)\""
            }
        }
        return nil
    }

    /// A line for each table, for a terminal.
    static func text(_ results: [Result]) -> String {
        tableText(
            results.map { result in
                let seconds = String(format: "%.1f s", result.seconds)
                return [
                    "self-test", result.kernels,
                    result.failure.map { "FAILED: \($0)" } ?? "passed in \(seconds)",
                ]
            })
    }
}
