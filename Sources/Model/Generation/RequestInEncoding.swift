// SPDX-License-Identifier: Apache-2.0
import Imaging
import LLaVAModel
import TensorOps
import TokenPruning
import Tokenization

/// A request whose pictures are being encoded.
final class RequestInEncoding {
    let request: BatchGenerator.Request
    let cancellation: Cancellation
    let onEvent: (BatchGenerator.Event) -> Void

    private let model: LLaVAModel
    private let rows: RowSelection
    private let known: EncodedPictureCache
    private var pictures: [EncodedPicture] = []
    private var encoding: PictureEncoding?
    private var statistics = GenerationStatistics()

    /// A request before its first slice; every check that needs no pixel is made here.
    ///
    /// - Throws: `GenerationError`.
    init(
        _ request: BatchGenerator.Request, _ model: LLaVAModel, _ known: EncodedPictureCache,
        _ cancellation: Cancellation,
        _ onEvent: @escaping (BatchGenerator.Event) -> Void
    ) throws(GenerationError) {
        try request.options.validate()
        _ = try PromptPlan(
            request.prompt, largest: request.pictures.map { $0.layout(model) }, after: 0, from: 0,
            request.options, model)
        rows = try RowSelection(request.options.pruning, question: request.question, model)
        self.request = request
        self.model = model
        self.known = known
        self.cancellation = cancellation
        self.onEvent = onEvent
    }

    /// Whether all pictures are encoded.
    var isDone: Bool { pictures.count == request.pictures.count }

    /// Does the next slice of a picture.
    ///
    /// - Throws: `GenerationError`.
    func runSlice() throws(GenerationError) {
        let picture = pictures.count
        switch request.pictures[picture] {
        case .encoded(let encoded): pictures.append(encoded)
        case .tiles(let tiles, let key):
            if encoding == nil, let key, let picture = known.picture(key, for: rows.needs) {
                return pictures.append(picture)
            }
            let encoding: PictureEncoding
            if let begun = self.encoding {
                encoding = begun
            } else {
                encoding = try PictureEncoding(tiles, needs: rows.needs, key: key, model)
                self.encoding = encoding
            }
            try encoding.runSlice()
            onEvent(
                .encoding(picture: picture, of: request.pictures.count, done: encoding.fraction))
            guard encoding.isDone else { return }
            statistics.add(encoding)
            pictures.append(encoding.picture)
            known.insert(encoding.picture)
            self.encoding = nil
        }
    }

    /// The request with the rows that enter the decoder, once all pictures are encoded.
    ///
    /// - Throws: `GenerationError`.
    func selected() throws(GenerationError) -> SelectedRequest {
        let visual = try rows.select(pictures, &statistics)
        let plan = try PromptPlan(
            request.prompt, visual.map(\.selection), after: 0, from: 0, request.options, model)
        return SelectedRequest(
            request: request, cancellation: cancellation, onEvent: onEvent, visual: visual,
            plan: plan, statistics: statistics)
    }
}

/// A request whose rows are known, and which needs pages of the cache to go on.
struct SelectedRequest {
    let request: BatchGenerator.Request
    let cancellation: Cancellation
    let onEvent: (BatchGenerator.Event) -> Void
    let visual: [RowSelection.Result]
    let plan: PromptPlan
    let statistics: GenerationStatistics
    /// Later requests that got pages before this one did.
    var timesOvertaken = 0

    var selections: [PictureSelection] { visual.map(\.selection) }

    /// What each row of the prompt is, for those who start with the same.
    var rowIdentities: [RowIdentity] {
        var rows = plan.layout.tokens.map { RowIdentity.Content.token($0) }
        for (range, picture) in zip(plan.layout.pictureRows, visual) {
            for (row, kept) in zip(range, picture.selection.keptRows) {
                rows[row] = picture.key.map { .visual($0, row: Int32(kept)) } ?? .unknown
            }
        }
        return zip(rows, plan.placed.offsets).map {
            RowIdentity(content: $0, position: Int32($1))
        }
    }
}
