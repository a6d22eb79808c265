// SPDX-License-Identifier: Apache-2.0
import Captioning
import FileOutput
import Foundation
import TrimLLaVA

/// Everything besides picture and prompt that a caption depends on.
///
/// A run keeps only the captions that it would make itself.
struct CaptionSettings {
    /// One setting per line, in a fixed order.
    let lines: [String]

    /// - Throws: `FileLookupError` if the system does not say which files the model has.
    init(_ command: CaptionCommand) throws(FileLookupError) {
        let (model, prompt, answer) = (command.model, command.prompt, command.answer)
        let pruning = command.pruning.options.map { options in
            """
            \(options.budget) \(options.selector) \(options.positions) \
            \(options.selectorOptions.alignment) \(options.selectorOptions.alignedShare) \
            \(options.selectorOptions.seed)\(options.merging == .none ? "" : " \(options.merging)")
            """
        }
        let budgets = [command.pruning.keep].compactMap(\.self)
        let calibration = model.calibrationSetting(budgets)
        let sampling = answer.options.sampling
        lines =
            try model.settings() + [
                "template \(prompt.raw ? "raw" : prompt.format.template?.rawValue ?? "-")",
                "system \(prompt.format.system.map { "=\($0)" } ?? "-")",
                "picture crop \(prompt.format.crop) turn \(!prompt.format.ignoreOrientation)",
                "pruning \(pruning ?? "-")\(calibration)",
                "tokens \(answer.minTokens) \(answer.maxTokens) \(answer.ignoreEos)",
                """
                sampling \(sampling.temperature) \(sampling.topK) \(sampling.topP) \(sampling.minP) \
                \(sampling.repetitionPenalty) \(sampling.repetitionWindow) \
                \(sampling.seed.map { "\($0)" } ?? "-")
                """,
                "stops \(answer.stops)",
                "around \([prompt.prefix, prompt.suffix])",
            ]
    }
}

extension ModelOptions {
    /// The model settings that answers depend on, one per line.
    ///
    /// - Throws: `FileLookupError` if the system does not say which files the model has.
    func settings() throws(FileLookupError) -> [String] {
        let projector = try mmproj.map { path throws(FileLookupError) in
            try Self.identity(of: path)
        }
        return [
            "model \(try Self.identity(of: model))",
            "mmproj \(projector ?? "-")",
            "numbers \(numbers.activations) \(numbers.visionPrecision) \(numbers.kvCache) "
                + (quantize.map { "\($0)" } ?? "-"),
            "context \(context.map { "\($0)" } ?? "-")",
        ] + (maxTiles.map { ["tiles \($0)"] } ?? [])
            + (maxPixels.map { ["pixels \($0)"] } ?? [])
            + (towerKeep.flatMap { $0 < 1 ? ["tower \($0)"] : nil } ?? [])
    }

    /// What a budget of these follows beside its own numbers: nothing, unless the model is calibrated.
    func calibrationSetting(_ budgets: [KeepBudget]) -> String {
        guard budgets.contains(where: \.isAdaptive),
            let calibration = try? Calibration.read(beside: model)
        else { return "" }
        let points = calibration.rule.points.map { "\($0.tokensPerOutstanding):\($0.quality)" }
        return " calibrated \(points.joined(separator: " "))"
    }

    /// A file's name and size, without its folder, because it may be moved.
    private static func identity(of path: String) throws(FileLookupError) -> String {
        let size = try FileStatus.lookedUp(FilePath(path))?.version.size ?? 0
        return "\(URL(fileURLWithPath: path).lastPathComponent) \(size)"
    }
}
