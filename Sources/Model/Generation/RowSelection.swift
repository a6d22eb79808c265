// SPDX-License-Identifier: Apache-2.0
import Families
import Pictures
import TensorOps
import TokenPruning
import Tokenization
import Weights

/// A picture ready for the decoder.
public struct SelectedPicture: Sendable {
    let plan: PicturePlan
    let selection: PictureSelection
    let rows: Activations  // [selection.keptRows, width]
    /// What the picture shows; nil for one that is not known again.
    let key: PictureKey?

    /// The picture's place in a prompt.
    var inPrompt: PromptLayout.Picture {
        PromptLayout.Picture(plan, rows: selection.keptRows)
    }
}

/// Selects the rows of encoded pictures that enter the decoder.
struct RowSelection {
    let model: LLaVAModel
    let pruning: PruningOptions?
    /// What selector and merging look at besides the projector's rows.
    let needs: Set<SelectionNeed>
    private let selector: (any TokenSelector)?
    private let question: [TokenID]

    /// The selection that `pruning` asks for; nil keeps all rows.
    ///
    /// - Parameters:
    ///   - question: the question as typed.
    ///   - earlier: other questions that pictures came with.
    /// - Throws: `GenerationError.pruning` for no such selector, or one that looks at what the model does not
    ///   compute; `GenerationError.vocabularyMismatch` when there is no embedding for a token of the question.
    init(
        _ pruning: PruningOptions?, question: [TokenID], earlier: [[TokenID]] = [],
        _ model: LLaVAModel
    ) throws(GenerationError) {
        let embeddings = model.decoder.vocabularySize
        for tokens in [question] + earlier {
            if let token = tokens.first(where: { !(0..<embeddings).contains(Int($0)) }) {
                throw .vocabularyMismatch(tokenizer: Int(token) + 1, embeddings: embeddings)
            }
        }
        self.model = model
        self.pruning = pruning
        self.question = question
        selector = try pruning?.namedSelector()
        needs = try pruning?.needs() ?? []
        if let pruning, let info = selector?.info, model.seesPictures {
            let encoder = try modelled { () throws(ModelError) in try model.pictureEncoder }
            try encoder.check(info.needs, of: info.name)
            for need in pruning.merging.needs where !encoder.capabilities.contains(need) {
                throw .pruning(.missingForMerging(pruning.merging, need: need))
            }
        }
    }

    /// Selects among the visual tokens of each picture, or of all together that came with a question.
    ///
    /// - Parameter questions: those that the pictures came with; nil where all came with this one.
    func select(
        _ pictures: [EncodedPicture], questions: [[TokenID]]? = nil,
        _ statistics: inout GenerationStatistics, recorder: StageRecorder? = nil
    ) throws(GenerationError) -> [SelectedPicture] {
        try measure(&statistics.selectionSeconds) {
            () throws(GenerationError) -> [SelectedPicture] in
            let selections = try selections(of: pictures, questions)
            var selected: [SelectedPicture] = []
            for (picture, selection) in zip(pictures, selections) {
                recorder?.update { $0.add(selection) }
                selected.append(try rows(of: picture, selection))
            }
            return selected
        }
    }

    private func selections(
        of pictures: [EncodedPicture], _ questions: [[TokenID]]?
    ) throws(GenerationError) -> [PictureSelection] {
        guard let pruning, let selector else {
            return pictures.map { PictureSelection(all: $0.plan) }
        }
        var selections: [PictureSelection] = []
        while selections.count < pictures.count {
            let first = selections.count
            let question = questions?[first] ?? question
            let end = questions?[first...].firstIndex { $0 != question } ?? pictures.endIndex
            let text = model.decoder.embed(question)
            if pruning.sharesBudget, end - first > 1 {
                selections += try selectTogether(pictures[first..<end], text, pruning)
            } else {
                for picture in pictures[first..<end] {
                    selections.append(try select(selector, from: picture, text, pruning))
                }
            }
        }
        return selections
    }

    /// The rows of a picture that were selected, with what was dropped merged into them where that is asked for.
    private func rows(
        of picture: EncodedPicture, _ selection: PictureSelection
    ) throws(GenerationError) -> SelectedPicture {
        let rows = picture.rows(selection.keptRows)
        let isPruned = selection.keptPatches.count < selection.candidateCount
        guard let merging = pruning?.merging, merging != .none, isPruned else {
            return SelectedPicture(
                plan: picture.plan, selection: selection, rows: rows, key: picture.key)
        }
        let cells = picture.plan.candidateCells
        let tokens = try gather(cells, of: picture.embeddings)
        let attention = picture.attention.map { gather(cells, of: $0) }
        let patches = try pruned { () throws(PruningError) in
            try merging.merged(
                tokens, kept: selection.keptPatches, attention: attention, ops: model.ops)
        }
        let rowOfPatch = selection.keptPatches.map { picture.plan.candidates[$0] }
        var patch = 0
        for (index, row) in selection.keptRows.enumerated()
        where patch < rowOfPatch.count && row == rowOfPatch[patch] {
            rows.row(index).update(from: patches.row(patch), count: rows.width)
            patch += 1
        }
        // What a row holds now depends on all that was dropped.
        let change = [merging.rawValue] + selection.keptPatches.map { "\($0)" }
        return SelectedPicture(
            plan: picture.plan, selection: selection, rows: rows,
            key: picture.key?.changed(by: change))
    }

    private func select(
        _ selector: any TokenSelector, from picture: EncodedPicture, _ question: Activations,
        _ pruning: PruningOptions
    ) throws(GenerationError) -> PictureSelection {
        let patches = picture.plan.candidateCells
        var features: Activations?
        if needs.contains(.features), let all = picture.features {
            features = try gather(patches, of: all)
        }
        let input = SelectionInput(
            embeddings: try embeddings(of: picture), features: features,
            attention: picture.attention.map { gather(patches, of: $0) },
            receivedAttention: picture.receivedAttention?.map { gather(patches, of: $0) },
            text: needs.contains(.text) ? question : nil,
            places: needs.contains(.places) ? picture.plan.candidatePlaces : nil)
        let chosen = try pruned { () throws(PruningError) in
            let keep = try pruning.budget.resolve(
                for: input.embeddings, rule: model.automaticRule, ops: model.ops)
            return try selector.select(input, keep: keep, ops: model.ops)
        }
        return PictureSelection(
            picture.plan, keeping: chosen.indices, lacksQuestion: chosen.lacksQuestion)
    }

    /// The embeddings of a picture's candidates, without what they add after the decoder's first layers.
    private func embeddings(
        of picture: EncodedPicture
    ) throws(GenerationError) -> Activations {
        try gather(
            picture.plan.candidateCells, of: picture.embeddings,
            width: model.decoder.config.width)
    }

    private func gather(_ patches: [Int], of numbers: [Float]) -> [Float] {
        patches.map { numbers[$0] }
    }

    private func gather(
        _ patches: [Int], of rows: Activations, width: Int? = nil
    ) throws(GenerationError) -> Activations {
        try modelled { () throws(ModelError) in
            try granted("a picture's visual tokens") { () throws(MemoryShortage) in
                try model.ops.gather(patches, of: rows, width: width)
            }
        }
    }

    /// Shares the pictures' budgets between them.
    private func selectTogether(
        _ pictures: ArraySlice<EncodedPicture>, _ question: Activations, _ pruning: PruningOptions
    ) throws(GenerationError) -> [PictureSelection] {
        var candidates: [Activations] = []
        for picture in pictures {
            candidates.append(try embeddings(of: picture))
        }
        let chosen = try pruned { () throws(PruningError) in
            var keep = 0
            for embeddings in candidates {
                keep += try pruning.budget.resolve(
                    for: embeddings, rule: model.automaticRule, ops: model.ops)
            }
            return try SeveralPictures(metric: pruning.selectorOptions.alignment)
                .select(candidates, text: question, keep: keep, ops: model.ops)
        }
        return zip(pictures, chosen.indices).map { picture, indices in
            PictureSelection(
                picture.plan, keeping: indices, lacksQuestion: chosen.lacksQuestion)
        }
    }
}

extension PruningOptions {
    /// The selector that is asked for.
    ///
    /// - Throws: `GenerationError.pruning` for no such selector, or an option outside its range.
    func namedSelector() throws(GenerationError) -> any TokenSelector {
        try pruned { () throws(PruningError) in
            try TokenSelectors.named(selector, selectorOptions)
        }
    }

    /// What selector and merging look at besides the projector's rows.
    ///
    /// - Throws: as `namedSelector` does.
    func needs() throws(GenerationError) -> Set<SelectionNeed> {
        try namedSelector().info.needs.union(merging.needs)
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
        let rows = try RowSelection(pruning, question: question, model)
        let encoder = try modelled { () throws(ModelError) in try model.pictureEncoder }
        let picture = try encoder.encode(
            tiles, needs: rows.needs, cancellation: cancellation, onProgress: onProgress)
        var statistics = GenerationStatistics()
        self = try rows.select([picture], &statistics)[0].selection
    }
}

extension PictureEncoder {
    /// Encodes a picture for selectors that look at no more than `needs`.
    ///
    /// - Throws: `GenerationError`.
    package func encode(
        _ tiles: TileBatch, needs: Set<SelectionNeed>, key: PictureKey? = nil,
        cancellation: Cancellation = Cancellation(), onProgress: (Double) -> Void = { _ in }
    ) throws(GenerationError) -> EncodedPicture {
        try check(needs, of: "that was asked for")
        return try modelled { () throws(ModelError) in
            try encoding(of: tiles, needs: needs, key: key)
                .finish(cancellation, onProgress: onProgress)
        }
    }

    /// Checks that it can tell a selector what it looks at.
    func check(
        _ needs: Set<SelectionNeed>, of selector: String
    ) throws(GenerationError) {
        for need in [SelectionNeed.features, .attention, .receivedAttention]
        where needs.contains(need) && !capabilities.contains(need) {
            throw .pruning(.missingInput(selector: selector, need: need))
        }
    }
}

/// Calls `body` and wraps what a selector throws.
private func pruned<Value>(
    _ body: () throws(PruningError) -> Value
) throws(GenerationError) -> Value {
    do { return try body() } catch { throw .pruning(error) }
}
