// SPDX-License-Identifier: Apache-2.0
import Families
import Pictures
import TensorOps
import TokenPruning
import Tokenization
import Weights

/// Who is told what happens to a request.
struct RequestObserver {
    var onEvent: (BatchGenerator.Event) -> Void = { _ in }
    /// Gets the pictures that the request brought along or had encoded, and the rows that were chosen of all.
    var onPictures: (([EncodedPicture], [SelectedPicture]) -> Void)?
    var recorder: StageRecorder?
}

/// A request whose pictures are being encoded.
final class RequestInEncoding {
    let request: BatchGenerator.Request
    let cancellation: Cancellation
    private let observer: RequestObserver
    private let model: LLaVAModel
    private let rows: RowSelection
    private let known: EncodedPictureCache
    /// The pictures that are encoded, in order; nil for one whose rows were chosen before.
    private var pictures: [EncodedPicture?] = []
    private var encoding: (any PictureEncoding)?
    private var statistics = GenerationStatistics()

    /// A request before its first slice; every check that needs no pixel is made here.
    ///
    /// - Throws: `GenerationError`.
    init(
        _ request: BatchGenerator.Request, _ model: LLaVAModel, _ known: EncodedPictureCache,
        _ cancellation: Cancellation, _ observer: RequestObserver
    ) throws(GenerationError) {
        try request.options.validate()
        _ = try PromptPlan(
            request.prompt,
            request.pictures.map { $0.largest(request.options) },
            request.options, model)
        rows = try RowSelection(
            request.options.pruning, question: request.question,
            earlier: request.pictureQuestions ?? [], model)
        self.request = request
        self.model = model
        self.known = known
        self.cancellation = cancellation
        self.observer = observer
    }

    /// Whether all pictures are encoded.
    var isDone: Bool { pictures.count == request.pictures.count }

    /// Does the next slice of a picture.
    ///
    /// - Throws: `GenerationError`.
    func runSlice() throws(GenerationError) {
        switch request.pictures[pictures.count] {
        case .selected: pictures.append(nil)
        case .encoded(let picture): take(picture)
        case .tiles(let tiles, let key):
            if encoding == nil, let key, let picture = known.picture(key, for: needs) {
                return take(picture)
            }
            try runSlice(of: tiles, key)
        }
    }

    /// What is computed of the pictures besides the projector's rows.
    private var needs: Set<SelectionNeed> { rows.needs.union(request.pictureNeeds) }

    private func take(_ picture: EncodedPicture) {
        statistics.earlierEncodingSeconds += picture.seconds
        pictures.append(picture)
    }

    private func runSlice(of tiles: TileBatch, _ key: PictureKey?) throws(GenerationError) {
        let places = request.pictures.indices.filter {
            if case .tiles = request.pictures[$0] { true } else { false }
        }
        let place = places.firstIndex(of: pictures.count) ?? 0
        func report(_ done: Double) {
            observer.onEvent(.encoding(picture: place, of: places.count, done: done))
        }
        let encoding: any PictureEncoding
        if let begun = self.encoding {
            encoding = begun
        } else {
            encoding = try begin(tiles, key)
            self.encoding = encoding
            report(0)
        }
        try modelled { () throws(ModelError) in try encoding.runSlice() }
        report(encoding.fraction)
        guard let picture = encoding.picture else { return }
        statistics.add(encoding)
        observer.recorder?.update { $0.add(tiles, picture, width: model.decoder.config.width) }
        pictures.append(picture)
        if key != nil { known.insert(picture) }
        self.encoding = nil
    }

    private func begin(
        _ tiles: TileBatch, _ key: PictureKey?
    ) throws(GenerationError) -> any PictureEncoding {
        let needs = observer.recorder == nil ? needs : needs.union([.features])
        // Whoever continues the prompt knows its pictures' rows by a key.
        let key = key ?? (request.isContinued ? .unique() : nil)
        let encoder = try modelled { () throws(ModelError) in try model.pictureEncoder }
        try encoder.check(needs, of: "that was asked for")
        return try modelled { () throws(ModelError) in
            try encoder.encoding(of: tiles, needs: needs, key: key)
        }
    }

    /// The request with the rows that enter the decoder, once all pictures are encoded.
    ///
    /// - Throws: `GenerationError`.
    func selected() throws(GenerationError) -> SelectedRequest {
        let encoded = pictures.compactMap(\.self)
        let questions = request.pictureQuestions.map { questions in
            zip(questions, pictures).compactMap { $1 == nil ? nil : $0 }
        }
        var chosen = try rows.select(
            encoded, questions: questions, &statistics, recorder: observer.recorder)[...]
        let visual = request.pictures.compactMap { picture in
            if case .selected(let earlier) = picture { earlier } else { chosen.popFirst() }
        }
        let plan = try PromptPlan(
            request.prompt, visual.map(\.inPrompt), request.options, model)
        observer.onPictures?(encoded, visual)
        return SelectedRequest(
            request: request.withoutPictures, cancellation: cancellation, observer: observer,
            visual: visual,
            plan: plan, statistics: statistics)
    }
}

/// A request whose rows are known, and which needs pages of the cache to go on.
struct SelectedRequest {
    let request: BatchGenerator.Request
    let cancellation: Cancellation
    let observer: RequestObserver
    let visual: [SelectedPicture]
    let plan: PromptPlan
    let statistics: GenerationStatistics
    /// Later requests that got pages before this one did.
    var timesOvertaken = 0

    var selections: [PictureSelection] { visual.map(\.selection) }

    /// What each row of the prompt is, for those who start with the same.
    var rowIdentities: [RowIdentity] {
        var rows = plan.layout.tokens.map { RowIdentity.Content.token($0) }
        for (range, picture) in zip(plan.layout.pictureRows, visual) {
            for (row, kept) in zip(range, picture.selection.keptRows)
            where plan.layout.tokens[row] == PromptLayout.visualToken {
                rows[row] = picture.key.map { .visual($0, row: Int32(kept)) } ?? .unknown
            }
        }
        return zip(rows, plan.placed.positions).map {
            RowIdentity(content: $0, position: $1)
        }
    }
}
