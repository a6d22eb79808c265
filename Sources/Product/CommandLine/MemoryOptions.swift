// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Families
import GGUF
import Generation
import TrimLLaVA

/// The run whose memory `inspect --memory` estimates.
struct MemoryOptions: ParsableArguments {
    @Flag(help: "Estimate the memory that a run needs, instead of printing the file.")
    var memory = false

    @Option(
        help: ArgumentHelp(
            "The mmproj file of the text model. (default: that of the model's name)",
            valueName: "file"),
        completion: .file())
    var mmproj: String?

    @Option(
        help: ArgumentHelp("Number of visual tokens to keep of each picture.", valueName: "count"))
    var keep: Int?

    @Option(help: ArgumentHelp("Number of sequences at the same time.", valueName: "count"))
    var parallel = 1

    @Option(
        help: ArgumentHelp(
            "Context of each sequence in tokens, before pruning. (default: \(LLaVAModel.defaultContext), or the model's)",
            valueName: "rows"))
    var context: Int?

    @Option(
        help: ArgumentHelp("The most tiles that a picture is cut into.", valueName: "count"))
    var maxTiles: Int?

    @Option(
        help: ArgumentHelp(
            "The most pixels of a picture for models that see pictures of any size.",
            valueName: "count"))
    var maxPixels: Int?

    @OptionGroup var numbers: NumberOptions

    @Option(
        help: ArgumentHelp(
            "Quantize the text model's F32, F16 and BF16 matrices.", valueName: "format"))
    var quantize: BlockEncoding?

    /// Larger numbers are meaningless, and their products might overflow 64 bits.
    private static let largestCount = 1 << 20

    func validate() throws {
        let limits = 1...Self.largestCount
        if let maxPixels, maxPixels < 1 {
            throw ValidationError("--max-pixels is \(maxPixels), expected 1 or more")
        }
        guard [keep ?? 1, parallel, context ?? 1, maxTiles ?? 1].allSatisfy(limits.contains)
        else {
            throw ValidationError(
                "--keep, --parallel, --context and --max-tiles must be from 1 to \(Self.largestCount)"
            )
        }
    }

    /// The estimate for a text model.
    func estimate(_ file: GGUFFile) throws -> MemoryEstimate {
        try MemoryEstimate(
            text: file, projector: mmproj.map { try GGUFFile(path: $0) },
            activationMode: numbers.activations, visionPrecision: numbers.visionPrecision,
            floatEncoding: quantize, context: context,
            limits: VisionLimits(mostTiles: maxTiles, mostPixels: maxPixels), keptTokens: keep,
            sequences: parallel, format: numbers.kvCache,
            promptRowsPerBatch: BatchGenerator.promptRowsPerStep)
    }
}
