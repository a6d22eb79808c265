// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import DemoModel
import TrimLLaVA

/// Which model to load, and how to run it.
struct ModelOptions: ParsableArguments {
    @Option(
        name: [.customShort("m"), .customLong("model")],
        help: ArgumentHelp(
            "The text model (GGUF). (default: a small one that knows drawn scenes only)",
            valueName: "file"),
        completion: .file())
    var textFile: String?

    @Option(
        name: .customLong("mmproj"),
        help: ArgumentHelp(
            "The vision tower and projector that belong to it (GGUF).", valueName: "file"),
        completion: .file())
    var projectorFile: String?

    /// The text model's file.
    var model: String { textFile ?? DemoModel.files?.text ?? "" }
    /// The projector's file.
    var mmproj: String { projectorFile ?? DemoModel.files?.projector ?? "" }

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp(
            "Threads. (default: the physical cores that this process may use)",
            valueName: "count"))
    var threads: Int?

    @Option(
        name: [.short, .long], parsing: .unconditional,
        help: ArgumentHelp(
            """
            Most rows of the KV cache: prompt, pictures and answers together. (default: \
            \(LLaVAModel.defaultContext), or the model's if that is less)
            """, valueName: "rows"))
    var context: Int?

    @Option(
        help: ArgumentHelp("How matrix products treat activations.", valueName: "mode"))
    var activations: ActivationMode = .pow2

    @Option(
        help: ArgumentHelp("How vision tower and projector compute.", valueName: "precision"))
    var visionPrecision: VisionPrecision = .int8

    @Option(help: ArgumentHelp("How the KV cache stores numbers.", valueName: "format"))
    var kvCache: CacheFormat = .f16

    @Option(
        help: ArgumentHelp(
            "Keep packed weights in a folder, so that the next start is quick.",
            valueName: "folder"),
        completion: .directory)
    var packCache: String?

    @Option(
        help: ArgumentHelp(
            "Round the text model's F32, F16 and BF16 matrices: smaller and faster, less exact.",
            valueName: "format"))
    var quantize: BlockEncoding?

    func validate() throws {
        guard (textFile == nil) == (projectorFile == nil) else {
            throw ValidationError("give --model and --mmproj, or neither")
        }
        guard textFile != nil || DemoModel.files != nil else {
            throw ValidationError(
                "give --model and --mmproj: the demonstration model is not beside this program")
        }
        let allowed = 1...LoadOptions.maximumThreadCount
        if let threads, !allowed.contains(threads) {
            throw ValidationError(
                "--threads is \(threads), expected \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        if let context, context < 1 {
            throw ValidationError("--context is \(context), expected 1 or more")
        }
        if quantize != nil, activations == .float {
            throw ValidationError("--quantize goes without --activations float")
        }
        if packCache?.isEmpty == true { throw ValidationError("--pack-cache is empty") }
    }

    /// Loads the model; its warnings go to stderr.
    func load(quiet: Bool = false) throws -> LLaVA {
        try OpenFileLimit.check()
        if textFile == nil, !quiet {
            StandardError.report(
                "no --model: this is the demonstration model, which knows drawn scenes only")
        }
        let line = ProgressLine(quiet: quiet, patience: .seconds(1))
        defer { line.erase() }
        let llava = try LLaVA(
            text: model, projector: mmproj,
            options: LoadOptions(
                threadCount: threads, context: context, activationMode: activations,
                visionPrecision: visionPrecision, cacheFormat: kvCache, packCache: packCache,
                floatEncoding: quantize), onProgress: line.show)
        line.erase()
        for warning in llava.warnings { StandardError.report("warning: \(warning)") }
        return llava
    }
}

extension ActivationMode: ExpressibleByArgument {}
extension BlockEncoding: ExpressibleByArgument {}
extension VisionPrecision: ExpressibleByArgument {}
extension CacheFormat: ExpressibleByArgument {}
