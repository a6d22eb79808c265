// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import TrimLLaVA

/// The run whose memory `inspect --memory` tells.
struct MemoryOptions: ParsableArguments {
    @Flag(help: "Print the memory that a run needs, by formula, instead of the file's content.")
    var memory = false

    @Option(
        help: ArgumentHelp("The mmproj file that belongs to the text model.", valueName: "file"),
        completion: .file())
    var mmproj: String?

    @Option(
        help: ArgumentHelp("Visual tokens that are kept of each picture.", valueName: "count"))
    var keep: Int?

    @Option(help: ArgumentHelp("Sequences in flight.", valueName: "count"))
    var parallel = 1

    @Option(
        help: ArgumentHelp(
            "Rows of each sequence before pruning. (default: \(LLaVAModel.defaultContext), or the model's)",
            valueName: "rows"))
    var context: Int?

    @Option(help: "How the KV cache stores numbers.")
    var kvCache: CacheFormat = .f16

    @Option(help: ArgumentHelp("How matrix products treat activations.", valueName: "mode"))
    var activations: ActivationMode = .pow2

    @Option(
        help: ArgumentHelp("How vision tower and projector compute.", valueName: "precision"))
    var visionPrecision: VisionPrecision = .int8

    @Option(
        help: ArgumentHelp("What float matrices of the text are rounded to.", valueName: "format"))
    var quantize: BlockEncoding?

    /// Beyond this the numbers mean nothing, and products of them might not fit 64 bits.
    private static let largestCount = 1 << 20

    func validate() throws {
        let limits = 1...Self.largestCount
        guard [keep ?? 1, parallel, context ?? 1].allSatisfy(limits.contains) else {
            throw ValidationError(
                "--keep, --parallel and --context take numbers from 1 to \(Self.largestCount)")
        }
        if keep != nil, mmproj == nil {
            throw ValidationError(
                "--keep needs --mmproj, which tells how many tokens a picture has")
        }
    }

    /// The estimate for a text model.
    func estimate(_ file: GGUFFile) throws -> MemoryEstimate {
        let text = try DecoderConfig(file.metadata)
        let projector = try mmproj.map { try GGUFFile(path: $0) }
        let vision = try projector.map { try VisionConfig($0) }
        return MemoryEstimate(
            text: text, vocabulary: file.tensor("token_embd.weight")?.shape.last ?? 0,
            vision: vision,
            weights: WeightMemory(
                text: file, projector: projector, visionBlocks: vision?.blockCount ?? 0,
                activationMode: activations, visionPrecision: visionPrecision,
                floatEncoding: quantize),
            context: context ?? min(LLaVAModel.defaultContext, text.contextLength),
            visualTokens: vision?.largestVisualTokenCount ?? 0, keptTokens: keep,
            sequences: parallel, format: kvCache,
            promptRowsPerBatch: BatchGenerator.promptRowsPerStep)
    }
}
