// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// Which model to load, and how to run it.
struct ModelOptions: ParsableArguments {
    @Option(name: [.short, .long], help: "The text model (GGUF).")
    var model: String

    @Option(help: "The vision tower and projector that belong to it (GGUF).")
    var mmproj: String

    @Option(
        name: [.short, .long],
        help: "Threads; by default the physical cores that this process may use.")
    var threads: Int?

    @Option(
        name: [.short, .long],
        help: "Most rows of the KV cache: prompt, picture and answer together. (default: 4096)")
    var context: Int?

    @Option(help: "How matrix products treat activations: float.")
    var activations: ActivationMode = .float

    @Option(help: "How the KV cache stores numbers: f16 or f32.")
    var kvCache: CacheFormat = .f16

    func validate() throws {
        if let threads, threads < 1 { throw ValidationError("--threads must be 1 or more.") }
        if let context, context < 1 { throw ValidationError("--context must be 1 or more.") }
    }

    /// Loads the model; its warnings go to stderr.
    func load() throws -> LLaVA {
        let llava = try LLaVA(
            text: model, projector: mmproj,
            options: LoadOptions(
                threadCount: threads, context: context, activationMode: activations,
                cacheFormat: kvCache))
        for warning in llava.warnings { StandardError.print("warning: \(warning)") }
        return llava
    }
}

extension ActivationMode: ExpressibleByArgument {}
extension CacheFormat: ExpressibleByArgument {}
