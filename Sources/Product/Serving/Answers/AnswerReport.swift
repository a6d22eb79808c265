// SPDX-License-Identifier: Apache-2.0
import Generation
import Imaging
import TrimLLaVA

/// The object `trimllava` of an answer: what was kept of the pictures, and what it cost.
struct AnswerReport {
    let progress: AnswerProgress
    let sizes: [PixelSize]
    let model: ServedModel
    /// What the pictures were selected by; nil for all of them.
    let pruning: PruningOptions?
    /// Whether the places of the kept tokens are told.
    let drawsMap: Bool

    var json: JSONValue {
        guard let answer = progress.answers.first else { return .null }
        let statistics = answer.statistics
        return [
            "version": .string(Release.version),
            "selector": .optional(pruning?.selector),
            "keep": .optional(pruning.map { "\($0.budget)" }),
            "positions": statistics.usesCompactPositions ? "compact" : "original",
            "merge": .optional(pruning.map { "\($0.merging)" }),
            "lacks_question": .bool(answer.selections.contains(where: \.lacksQuestion)),
            "notes": .array(notes(answer).map { .string($0) }),
            "visual_tokens": .integer(statistics.unprunedVisualRows),
            "kept_tokens": .integer(statistics.visualRows),
            "kv_cache_bytes": .integer(statistics.cacheBytes),
            "unpruned_kv_cache_bytes": .integer(statistics.unprunedCacheBytes),
            "seconds": seconds(statistics),
            "pictures": .array(zip(sizes, answer.selections).map { picture($0, $1) }),
        ]
    }

    /// What the client may want to do otherwise.
    private func notes(_ answer: Answer) -> [String] {
        guard pruning == nil, let note = model.manyTokens?.client else { return [] }
        return answer.selections.enumerated().compactMap { index, selection in
            note.text("picture \(index + 1) becomes", tokens: selection.unprunedRowCount)
        }
    }

    private func seconds(_ statistics: GenerationStatistics) -> JSONValue {
        [
            "queued": .seconds(progress.queuedSeconds),
            "vision": .seconds(
                statistics.tilingSeconds + statistics.visionSeconds
                    + statistics.projectionSeconds),
            "selection": .seconds(statistics.selectionSeconds),
            "prefill": .seconds(statistics.prefillSeconds),
            "first_token": .seconds(progress.firstTextSeconds ?? progress.totalSeconds),
            "decode": .seconds(statistics.decodeSeconds),
            "total": .seconds(progress.totalSeconds),
        ]
    }

    private func picture(_ size: PixelSize, _ selection: PictureSelection) -> JSONValue {
        var picture: JSONValue = [
            "width": .integer(size.width), "height": .integer(size.height),
            "visual_tokens": .integer(selection.unprunedRowCount),
            "kept_tokens": .integer(selection.keptRows.count),
        ]
        if let seen = selection.seenSize {
            picture["seen_width"] = .integer(seen.width)
            picture["seen_height"] = .integer(seen.height)
        }
        if drawsMap { picture["tiles"] = .array(tiles(size, selection)) }
        return picture
    }

    /// The grids of the picture's candidates, each with the cells that were kept: the whole picture's is the first.
    private func tiles(_ size: PixelSize, _ selection: PictureSelection) -> [JSONValue] {
        // A picture may have been seen in less detail, beside others.
        let regions = [1, 2].lazy.compactMap { count in
            try? model.llava.model.pictureEncoder(crop: false, pictures: count).regions(of: size)
        }.first { $0.count == selection.candidateCount }
        guard let regions else { return [] }
        let kept = regions.cells(of: selection.keptPatches)
        return zip(regions.candidateGrids, kept).map { grid, cells in
            [
                "x": .seconds(grid.x), "y": .seconds(grid.y),
                "width": .seconds(grid.width), "height": .seconds(grid.height),
                "columns": .integer(grid.columns), "rows": .integer(grid.rows),
                "kept": .array(cells.map { .integer($0) }),
            ]
        }
    }
}

extension AnswerProgress {
    /// OpenAI's `usage` of all choices together.
    var usage: JSONValue {
        guard let first = answers.first?.statistics else { return .null }
        let generated = answers.reduce(0) { $0 + $1.statistics.generatedTokens }
        return [
            "prompt_tokens": .integer(first.promptRows),
            "completion_tokens": .integer(generated),
            "total_tokens": .integer(first.promptRows + generated),
            "prompt_tokens_details": [
                "cached_tokens": .integer(first.sharedRows),
                "image_tokens": .integer(first.visualRows),
                "text_tokens": .integer(first.promptRows - first.visualRows),
            ],
        ]
    }

    /// The times as llama.cpp's server names them.
    var timings: JSONValue {
        guard let first = answers.first?.statistics else { return .null }
        let promptRows = first.promptRows - first.sharedRows
        let prefill = max(first.prefillSeconds, 1e-9)
        let decode = max(first.decodeSeconds, 1e-9)
        let generated = first.generatedTokens
        return [
            "cache_n": .integer(first.sharedRows),
            "prompt_n": .integer(promptRows),
            "prompt_ms": .milliseconds(first.prefillSeconds),
            "prompt_per_token_ms": .milliseconds(first.prefillSeconds / Double(max(1, promptRows))),
            "prompt_per_second": .seconds(Double(promptRows) / prefill),
            "predicted_n": .integer(generated),
            "predicted_ms": .milliseconds(first.decodeSeconds),
            "predicted_per_token_ms": .milliseconds(
                first.decodeSeconds / Double(max(1, generated))),
            "predicted_per_second": .seconds(Double(max(0, generated - 1)) / decode),
        ]
    }
}

extension Answer.StopReason {
    /// OpenAI's word for it.
    var finishReason: String {
        switch self {
        case .endOfSequence, .stopString: "stop"
        // An answer that was cut short otherwise would look whole.
        case .length, .context, .cancelled: "length"
        }
    }
}
