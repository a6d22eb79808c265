// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
import TokenPruning
import Tokenization

/// Takes one picture through the vision tower, the projector and, where asked, a selector.
struct VisualEncoder {
    let model: LLaVAModel
    let pruning: PruningOptions?
    /// The decoder's embeddings of the question as typed.
    let question: Activations?  // [tokens, width]
    let cancellation: Cancellation
    let recorder: StageRecorder?

    /// A picture ready for the decoder.
    struct Result {
        let selection: PictureSelection
        let rows: Activations  // [selection.keptRows, width]
    }

    func encode(
        _ tiles: TileBatch, _ statistics: inout GenerationStatistics,
        onProgress: (Double) -> Void
    ) throws(GenerationError) -> Result {
        let selector = try pruning.map { options throws(GenerationError) in
            try pruned { () throws(PruningError) in
                try TokenSelectors.named(options.selector, options.selectorOptions)
            }
        }
        recorder?.recordTiles(tiles)
        var classAttention: [Float]?
        if selector?.info.needs.contains(.classAttention) == true { classAttention = [] }
        let wantsAttention = classAttention != nil
        let features = try measure(&statistics.visionSeconds) { () throws(GenerationError) in
            try modelled { () throws(ModelError) in
                try model.features(
                    of: tiles, cancellation: cancellation,
                    onClassAttention: wantsAttention ? { classAttention? += $0 } : nil,
                    onProgress: onProgress)
            }
        }
        recorder?.recordFeatures(features, tiles: tiles.count)
        let projected = try measure(&statistics.projectionSeconds) {
            () throws(GenerationError) in
            try modelled { () throws(ModelError) in try model.project(features) }
        }
        let layout = model.layout(tiles.geometry)
        recorder?.recordProjected(model.pack(projected, layout.rows))
        let selection = try measure(&statistics.selectionSeconds) {
            () throws(GenerationError) in
            guard let selector else { return PictureSelection(all: layout) }
            return try select(
                selector, from: layout, projected, features, classAttention: classAttention)
        }
        recorder?.recordSelection(selection)
        return Result(
            selection: selection,
            rows: model.pack(projected, selection.keptRows.map { layout.rows[$0] }))
    }

    private func select(
        _ selector: any TokenSelector, from layout: VisualTokenLayout, _ projected: Activations,
        _ features: Activations, classAttention: [Float]?
    ) throws(GenerationError) -> PictureSelection {
        guard let pruning else { return PictureSelection(all: layout) }
        let patches = layout.candidates.compactMap { index -> Int? in
            if case .patch(let patch) = layout.rows[index] { patch } else { nil }
        }
        let needs = selector.info.needs
        let input = SelectionInput(
            embeddings: projected.gathering(patches),
            features: needs.contains(.features) ? features.gathering(patches) : nil,
            classAttention: classAttention.map { attention in patches.map { attention[$0] } },
            text: needs.contains(.text) ? question : nil)
        let chosen = try pruned { () throws(PruningError) in
            let keep = try pruning.budget.resolve(for: input.embeddings, ops: model.ops)
            return try selector.select(input, keep: keep, ops: model.ops)
        }
        return PictureSelection(
            layout, keeping: chosen.indices, lacksQuestion: chosen.lacksQuestion)
    }

    private func pruned<Value>(
        _ body: () throws(PruningError) -> Value
    ) throws(GenerationError) -> Value {
        do { return try body() } catch { throw .pruning(error) }
    }
}

extension PictureSelection {
    /// What a selector keeps of a picture, without asking the decoder anything.
    ///
    /// - Parameter question: the question as typed, for selectors that look at it.
    /// - Throws: `GenerationError`.
    public init(
        of tiles: TileBatch, by pruning: PruningOptions, question: [TokenID], _ model: LLaVAModel,
        cancellation: Cancellation = Cancellation(), onProgress: (Double) -> Void = { _ in }
    ) throws(GenerationError) {
        let encoder = VisualEncoder(
            model: model, pruning: pruning, question: model.decoder.embed(question),
            cancellation: cancellation, recorder: nil)
        var statistics = GenerationStatistics()
        self = try encoder.encode(tiles, &statistics, onProgress: onProgress).selection
    }
}

/// Calls `body` and wraps what the model throws.
func modelled<Value>(
    _ body: () throws(ModelError) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch { throw .model(error) }
}
