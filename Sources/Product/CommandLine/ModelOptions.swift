// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// Which model to load, and how to run it.
struct ModelOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp("The text model (GGUF).", valueName: "file"), completion: .file())
    var model: String

    @Option(
        help: ArgumentHelp(
            "The vision tower and projector that belong to it (GGUF).", valueName: "file"),
        completion: .file())
    var mmproj: String

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

    func validate() throws {
        let allowed = 1...LoadOptions.maximumThreadCount
        if let threads, !allowed.contains(threads) {
            throw ValidationError(
                "--threads is \(threads), expected \(allowed.lowerBound) to \(allowed.upperBound)")
        }
        if let context, context < 1 {
            throw ValidationError("--context is \(context), expected 1 or more")
        }
    }

    /// Loads the model; its warnings go to stderr.
    func load() throws -> LLaVA {
        let llava = try LLaVA(
            text: model, projector: mmproj,
            options: LoadOptions(
                threadCount: threads, context: context, activationMode: activations,
                visionPrecision: visionPrecision, cacheFormat: kvCache))
        for warning in llava.warnings { StandardError.report("warning: \(warning)") }
        return llava
    }
}

extension ActivationMode: ExpressibleByArgument {}
extension VisionPrecision: ExpressibleByArgument {}
extension CacheFormat: ExpressibleByArgument {}
