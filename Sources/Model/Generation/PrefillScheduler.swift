// SPDX-License-Identifier: Apache-2.0
import Decoder
import TensorOps
import Tokenization
import Weights

/// Fuses the pending rows of many sequences, prompts and single tokens alike, into batches for the
/// decoder.
///
/// Pruned rows are not among them: they never meet the decoder or its KV cache.
final class PrefillScheduler {
    /// Most prompt rows of a batch.
    ///
    /// Weights are read once per batch. At the shape of LLaVA-1.5-7B, 640 rows in Q4_0 take 1 % longer in
    /// batches of 512 than in one, 5 % in batches of 256 and 9 % in batches of 64, while the memory of
    /// activations and the wait of those who decode grow with the batch.
    static let rowsPerBatch = 512

    private let decoder: Decoder
    private let batch: DecoderBatch
    private var answers: [AnswerInProgress] = []
    private var rowCounts: [Int] = []
    private var ending: [Int] = []
    private var wanted: [Int] = []
    /// Seconds that the output matrix took.
    private(set) var outputSeconds = 0.0
    /// Rows of prompts in the last batch.
    var promptRowCount: Int { rowCounts.reduce(0) { $0 + ($1 > 1 ? $1 : 0) } }

    /// Rows of one of the answers in the batch.
    func rowCount(of answer: AnswerInProgress) -> Int {
        answers.firstIndex { $0 === answer }.map { rowCounts[$0] } ?? 0
    }

    init(_ decoder: Decoder) {
        self.decoder = decoder
        batch = DecoderBatch(decoder)
    }

    /// Runs one batch: the next rows of every answer, as many as fit, and then chooses a token for those
    /// that have none left.
    ///
    /// - Parameters:
    ///   - promptRows: the most rows of prompts; nil for `rowsPerBatch`. A number limits how long others wait, and
    ///     is shared out between the prompts.
    ///   - onProgress: called with the part of the batch that is done, 0 to 1.
    ///   - onError: called for an answer whose sequence the model failed on.
    /// - Throws: `ModelError.cancelled`, or the only sequence's error; no sequence has changed then.
    func step(
        _ answers: [AnswerInProgress], promptRows: Int? = nil, cancellation: Cancellation,
        onProgress: (Double) -> Void = { _ in },
        onError: (AnswerInProgress, ModelError) -> Void = { _, _ in }
    ) throws(ModelError) {
        // What the batch holds of sequences must not outlive them.
        defer {
            batch.restart(rows: 0)
            self.answers.removeAll(keepingCapacity: true)
        }
        fill(answers, promptRows)
        do {
            try decoder.run(batch, cancellation: cancellation, onProgress: onProgress)
        } catch {
            for (answer, count) in zip(answers, rowCounts) { answer.pending.takeBack(count) }
            throw error
        }
        chooseTokens(answers, onError)
    }

    /// Runs those of a sequence's first tokens that are not in its cache, and whose scores nobody needs.
    func run(
        _ tokens: [TokenID], into cache: KeyValueCache, cancellation: Cancellation
    ) throws(ModelError) {
        defer { batch.restart(rows: 0) }
        for start in stride(from: cache.rowCount, to: tokens.count, by: Self.rowsPerBatch) {
            let range = start..<min(start + Self.rowsPerBatch, tokens.count)
            batch.restart(rows: range.count)
            batch.append(positions: range.map { Position($0) }[...], to: cache)
            for (row, index) in range.enumerated() {
                decoder.embed(tokens[index], into: batch.hidden.row(row))
            }
            batch.wanted = []
            try decoder.run(batch, cancellation: cancellation)
        }
    }

    /// Makes a batch of the answers' next rows.
    private func fill(_ answers: [AnswerInProgress], _ promptRows: Int?) {
        // Whoever has one row decodes, and need not wait for prompts.
        var room = promptRows ?? Self.rowsPerBatch
        let share = promptRows.map { max(1, $0 / max(1, answers.count { $0.pending.count > 1 })) }
        rowCounts.removeAll(keepingCapacity: true)
        self.answers = answers
        for answer in answers {
            let count =
                answer.pending.count == 1 ? 1 : min(answer.pending.count, share ?? room, room)
            if answer.pending.count > 1 { room -= count }
            rowCounts.append(count)
        }
        batch.restart(rows: rowCounts.reduce(0, +))
        wanted.removeAll(keepingCapacity: true)
        for (answer, count) in zip(answers, rowCounts) where count > 0 {
            answer.pending.move(count, to: batch, answer.cache, decoder)
            // A token is chosen by the last row.
            if answer.pending.count == 0 { wanted.append(batch.rowCount - 1) }
        }
        if wanted.count < batch.rowCount { batch.wanted = wanted }
    }

    /// Chooses a token for every answer whose pending rows have all been run.
    private func chooseTokens(
        _ answers: [AnswerInProgress], _ onError: (AnswerInProgress, ModelError) -> Void
    ) {
        ending.removeAll(keepingCapacity: true)
        var part = 0
        for (answer, count) in zip(answers, rowCounts) where count > 0 {
            if let error = batch.parts[part].error {
                onError(answer, error)
            } else if answer.pending.count == 0 {
                ending.append(batch.parts[part].rows.upperBound - 1)
            }
            part += 1
        }
        guard !ending.isEmpty else { return }
        let start = ContinuousClock.now
        let logits = decoder.logits(batch, rows: ending)
        outputSeconds += (ContinuousClock.now - start) / .seconds(1)
        var (row, index) = (0, 0)
        for (answer, count) in zip(answers, rowCounts) where count > 0 {
            defer { index += 1 }
            guard batch.parts[index].error == nil, answer.pending.count == 0 else { continue }
            do {
                answer.choose(by: try logits.row(row))
            } catch {
                onError(answer, error)
            }
            row += 1
        }
    }
}
