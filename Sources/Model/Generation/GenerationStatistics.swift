// SPDX-License-Identifier: Apache-2.0

/// What an answer cost; times are in seconds.
public struct GenerationStatistics: Sendable, Equatable {
    /// Pictures resized and cut into tiles.
    public var tilingSeconds = 0.0
    /// Tiles through the vision tower.
    public var visionSeconds = 0.0
    /// Features through the projector.
    public var projectionSeconds = 0.0
    /// Visual tokens selected.
    public var selectionSeconds = 0.0
    /// Prompt rows through the decoder, up to the first token's scores.
    public var prefillSeconds = 0.0
    /// Generated tokens, from the first token's choice to the last one's.
    public var decodeSeconds = 0.0
    /// The output matrix's part of prefill and decode.
    public var outputSeconds = 0.0
    /// Rows of the prompt, visual tokens included.
    public var promptRows = 0
    /// Rows of the prompt that the KV cache had from earlier requests.
    public var sharedRows = 0
    /// Rows of the prompt that stand for pictures.
    public var visualRows = 0
    /// The same without pruning.
    public var unprunedVisualRows = 0
    /// Whether the prompt's rows are placed one after the other although some were pruned.
    public var usesCompactPositions = false
    /// Tokens of the answer, without the one that ends it.
    public var generatedTokens = 0
    /// Rows of the KV cache in use at the end.
    public var cacheRows = 0
    /// Bytes of the pages that hold those rows.
    public var cacheBytes = 0
    /// Bytes of the pages that the rows would take without pruning.
    public var unprunedCacheBytes = 0

    /// Nothing done yet.
    public init() {}

    /// What encoding has cost, and the rows that a prompt then takes.
    init(
        _ encoding: GenerationStatistics, _ plan: PromptPlan, _ selections: [PictureSelection]
    ) {
        self = encoding
        promptRows = plan.layout.rowCount
        visualRows = plan.layout.visualRowCount
        unprunedVisualRows = selections.reduce(0) { $0 + $1.unprunedRowCount }
        usesCompactPositions = plan.placed.isCompact
    }

    /// Adds what encoding a picture has cost.
    mutating func add(_ encoding: PictureEncoding) {
        visionSeconds += encoding.visionSeconds
        projectionSeconds += encoding.projectionSeconds
    }

    /// From the picture's pixels to the first token's scores.
    public var firstTokenSeconds: Double {
        tilingSeconds + visionSeconds + projectionSeconds + selectionSeconds + prefillSeconds
    }

    /// From the picture's pixels to the last token.
    public var totalSeconds: Double { firstTokenSeconds + decodeSeconds }

    /// Generated tokens that went through the decoder, per second.
    public var decodeTokensPerSecond: Double {
        decodeSeconds > 0 ? Double(max(0, generatedTokens - 1)) / decodeSeconds : 0
    }
}

/// Runs `body` and adds the seconds it took to `total`.
func measure<Result>(
    _ total: inout Double, _ body: () throws(GenerationError) -> Result
) throws(GenerationError) -> Result {
    let start = ContinuousClock.now
    defer { total += (ContinuousClock.now - start) / .seconds(1) }
    return try body()
}
