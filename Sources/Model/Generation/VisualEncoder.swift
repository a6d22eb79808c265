// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
import TokenPruning
import Tokenization

/// Takes pictures through the vision tower, the projector and, where asked, a selector.
struct VisualEncoder {
    private let model: LLaVAModel
    private let pruning: PruningOptions?
    /// The decoder's embeddings of the question as typed.
    private let question: Activations  // [tokens, width]
    private let cancellation: Cancellation
    private let recorder: StageRecorder?
    /// What later selectors will look at, besides what this one does.
    private let laterNeeds: Set<SelectionNeed>

    /// Tiles that go through the vision tower before their features are projected, and dropped where no
    /// selector looks at them: five tiles are what most pictures have at most.
    private static let tilesAtOnce = 5

    /// A picture of which nothing is left out yet.
    struct Projected: Sendable {
        let layout: VisualTokenLayout
        let embeddings: Activations  // [tiles · patches, width]
        let features: Activations?  // [tiles · patches, featureWidth]
        let classAttention: [Float]?  // [tiles · patches]
    }

    /// A picture ready for the decoder.
    struct Result {
        let selection: PictureSelection
        let rows: Activations  // [selection.keptRows, width]
    }

    /// - Parameter question: the question as typed.
    /// - Throws: `GenerationError.vocabularyMismatch` when the model has no embedding for one of its tokens.
    init(
        _ model: LLaVAModel, pruning: PruningOptions?, question: [TokenID],
        laterNeeds: Set<SelectionNeed> = [], cancellation: Cancellation,
        recorder: StageRecorder? = nil
    ) throws(GenerationError) {
        let embeddings = model.decoder.vocabularySize
        if let token = question.first(where: { !(0..<embeddings).contains(Int($0)) }) {
            throw .vocabularyMismatch(tokenizer: Int(token) + 1, embeddings: embeddings)
        }
        self.model = model
        self.pruning = pruning
        self.question = model.decoder.embed(question)
        self.laterNeeds = laterNeeds
        self.cancellation = cancellation
        self.recorder = recorder
    }

    /// Encodes one picture and selects among its visual tokens.
    func encode(
        _ tiles: TileBatch, _ statistics: inout GenerationStatistics,
        onProgress: (Double) -> Void
    ) throws(GenerationError) -> Result {
        let projected = try project(tiles, &statistics, onProgress: onProgress)
        return try select([projected], &statistics)[0]
    }

    /// Takes one picture through the vision tower and the projector.
    func project(
        _ tiles: TileBatch, _ statistics: inout GenerationStatistics,
        onProgress: (Double) -> Void
    ) throws(GenerationError) -> Projected {
        let needs = try checkedNeeds()
        recorder?.recordTiles(tiles)
        let config = model.vision.config
        let patches = config.patchCount
        let embeddings = try rows(tiles.count * patches, width: model.decoder.config.width)
        let features =
            needs.contains(.features)
            ? try rows(embeddings.rows, width: config.featureWidth) : nil
        var classAttention: [Float]? = needs.contains(.classAttention) ? [] : nil
        for first in stride(from: 0, to: tiles.count, by: Self.tilesAtOnce) {
            let range = first..<min(first + Self.tilesAtOnce, tiles.count)
            let seen = try measure(&statistics.visionSeconds) { () throws(GenerationError) in
                try modelled { () throws(ModelError) in
                    try model.features(
                        of: tiles, range, cancellation: cancellation,
                        onClassAttention: needs.contains(.classAttention)
                            ? { classAttention? += $0 } : nil,
                        onProgress: { done in
                            let all = Double(range.lowerBound) + done * Double(range.count)
                            onProgress(all / Double(tiles.count))
                        })
                }
            }
            recorder?.recordFeatures(seen, tiles: range.count)
            features?.copy(seen, toRow: first * patches)
            let rows = try measure(&statistics.projectionSeconds) { () throws(GenerationError) in
                try modelled { () throws(ModelError) in try model.project(seen) }
            }
            embeddings.copy(rows, toRow: first * patches)
        }
        let layout = model.layout(tiles.geometry)
        recorder?.recordProjected(model.pack(embeddings, layout.rows))
        return Projected(
            layout: layout, embeddings: embeddings, features: features,
            classAttention: classAttention)
    }

    /// Selects among the visual tokens of each picture, or of all together.
    func select(
        _ pictures: [Projected], _ statistics: inout GenerationStatistics
    ) throws(GenerationError) -> [Result] {
        let selections = try measure(&statistics.selectionSeconds) {
            () throws(GenerationError) -> [PictureSelection] in
            guard let pruning, let selector = try selector() else {
                return pictures.map { PictureSelection(all: $0.layout) }
            }
            if pruning.sharesBudget, pictures.count > 1 {
                return try selectTogether(pictures, pruning)
            }
            var selections: [PictureSelection] = []
            for picture in pictures {
                selections.append(try select(selector, from: picture, pruning))
            }
            return selections
        }
        return zip(pictures, selections).map { picture, selection in
            recorder?.recordSelection(selection)
            return Result(
                selection: selection,
                rows: model.pack(
                    picture.embeddings, selection.keptRows.map { picture.layout.rows[$0] }))
        }
    }

    /// What the selectors look at.
    ///
    /// - Throws: `GenerationError.pruning` for something that the model does not compute: without a block, the
    ///   class token attends to nothing.
    private func checkedNeeds() throws(GenerationError) -> Set<SelectionNeed> {
        let selector = try selector()
        let needs = (selector?.info.needs ?? []).union(laterNeeds)
        if needs.contains(.classAttention), model.vision.config.blockCount == 0 {
            let name = selector?.info.name ?? "that was asked for"
            throw .pruning(.missingInput(selector: name, need: .classAttention))
        }
        return needs
    }

    /// Rows for numbers of a picture's patches.
    private func rows(_ count: Int, width: Int) throws(GenerationError) -> Activations {
        try granted { () throws(MemoryShortage) in
            try model.ops.grantedActivations(rows: count, width: width)
        }
    }

    /// The given rows of a picture's patches.
    private func gather(
        _ patches: [Int], of rows: Activations
    ) throws(GenerationError) -> Activations {
        try granted { () throws(MemoryShortage) in try model.ops.gather(patches, of: rows) }
    }

    private func granted<Value>(
        _ body: () throws(MemoryShortage) -> Value
    ) throws(GenerationError) -> Value {
        do { return try body() } catch {
            throw .model(.noMemory(place: "a picture's visual tokens", byteCount: error.byteCount))
        }
    }

    private func selector() throws(GenerationError) -> (any TokenSelector)? {
        try pruning.map { options throws(GenerationError) in
            try pruned { () throws(PruningError) in
                try TokenSelectors.named(options.selector, options.selectorOptions)
            }
        }
    }

    private func select(
        _ selector: any TokenSelector, from picture: Projected, _ pruning: PruningOptions
    ) throws(GenerationError) -> PictureSelection {
        let patches = picture.candidatePatches
        let needs = selector.info.needs
        var features: Activations?
        if needs.contains(.features), let all = picture.features {
            features = try gather(patches, of: all)
        }
        let input = SelectionInput(
            embeddings: try gather(patches, of: picture.embeddings), features: features,
            classAttention: picture.classAttention.map { attention in
                patches.map { attention[$0] }
            },
            text: needs.contains(.text) ? question : nil)
        let chosen = try pruned { () throws(PruningError) in
            let keep = try pruning.budget.resolve(for: input.embeddings, ops: model.ops)
            return try selector.select(input, keep: keep, ops: model.ops)
        }
        return PictureSelection(
            picture.layout, keeping: chosen.indices, lacksQuestion: chosen.lacksQuestion)
    }

    /// Shares the pictures' budgets between them.
    private func selectTogether(
        _ pictures: [Projected], _ pruning: PruningOptions
    ) throws(GenerationError) -> [PictureSelection] {
        var candidates: [Activations] = []
        for picture in pictures {
            candidates.append(try gather(picture.candidatePatches, of: picture.embeddings))
        }
        let chosen = try pruned { () throws(PruningError) in
            var keep = 0
            for embeddings in candidates {
                keep += try pruning.budget.resolve(for: embeddings, ops: model.ops)
            }
            return try SeveralPictures(metric: pruning.selectorOptions.alignment)
                .select(candidates, text: question, keep: keep, ops: model.ops)
        }
        return zip(pictures, chosen.indices).map { picture, indices in
            PictureSelection(
                picture.layout, keeping: indices, lacksQuestion: chosen.lacksQuestion)
        }
    }

    private func pruned<Value>(
        _ body: () throws(PruningError) -> Value
    ) throws(GenerationError) -> Value {
        do { return try body() } catch { throw .pruning(error) }
    }
}

extension VisualEncoder.Projected {
    /// The patches that a selector may choose.
    fileprivate var candidatePatches: [Int] {
        layout.candidates.compactMap { index in
            if case .patch(let patch) = layout.rows[index] { patch } else { nil }
        }
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
        let encoder = try VisualEncoder(
            model, pruning: pruning, question: question, cancellation: cancellation)
        var statistics = GenerationStatistics()
        self = try encoder.encode(tiles, &statistics, onProgress: onProgress).selection
    }
}

/// A picture that has gone through the vision tower and the projector, for many questions or selectors.
public struct EncodedPicture: Sendable {
    let projected: VisualEncoder.Projected

    /// Encodes a picture for selectors that look at no more than `needs`.
    ///
    /// - Throws: `GenerationError`.
    public init(
        _ tiles: TileBatch, needs: Set<SelectionNeed>, _ model: LLaVAModel,
        cancellation: Cancellation = Cancellation()
    ) throws(GenerationError) {
        let encoder = try VisualEncoder(
            model, pruning: nil, question: [], laterNeeds: needs, cancellation: cancellation)
        var statistics = GenerationStatistics()
        projected = try encoder.project(tiles, &statistics, onProgress: { _ in })
    }
}

/// Calls `body` and wraps what the model throws.
func modelled<Value>(
    _ body: () throws(ModelError) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch { throw .model(error) }
}
