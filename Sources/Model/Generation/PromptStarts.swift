// SPDX-License-Identifier: Apache-2.0
import Decoder
import Families
import TensorOps
import Tokenization
import Weights

/// Gives prompts their pages of the cache, with the first rows that were computed for others.
///
/// It belongs to one thread at a time.
final class PromptStarts {
    /// Pages for a prompt and its answer.
    struct Start {
        /// The sequence, which has the first rows of the prompt.
        let cache: KeyValueCache
        /// Where these rows come from; nil where there are none.
        let origin: SharedPrefixes.Origin?
        /// Rows that the cache had before this prompt came.
        let sharedRows: Int

        /// Rows that were read from a file.
        var storedRows: Int { origin == .storedTemplate ? cache.rowCount : 0 }
        /// Rows that belong to an earlier prompt and its answer.
        var earlierRows: Int { origin == .answer ? cache.rowCount : 0 }
    }

    private let model: LLaVAModel
    private let pool: CachePagePool
    private let scheduler: PrefillScheduler
    /// Whether many prompts are answered at the same time.
    private let isShared: Bool
    private let prefixes = SharedPrefixes()
    /// The text that the last prompt started with.
    private var previousStart: [TokenID] = []

    init(
        _ model: LLaVAModel, _ pool: CachePagePool, _ scheduler: PrefillScheduler, isShared: Bool
    ) {
        self.model = model
        self.pool = pool
        self.scheduler = scheduler
        self.isShared = isShared
    }

    /// Pages for a prompt and its answer; nil where it has to wait for the pages of live answers.
    ///
    /// - Parameters:
    ///   - rows: the most rows of both.
    ///   - isAlone: whether there are no live answers.
    /// - Throws: `ModelError`.
    func start(
        of request: SelectedRequest, rows: Int, isAlone: Bool, _ cancellation: Cancellation
    ) throws(ModelError) -> Start? {
        let identities = request.rowIdentities
        let known = prefixes.longest(of: identities)?.count ?? 0
        let cancellation = Cancellation(cancellation, orAll: [request.cancellation])
        var (isTight, hasFreed) = (false, false)
        while true {
            do {
                if !isTight {
                    try keepCommonStart(of: request.plan.layout, identities, cancellation)
                }
                guard let shared = prefixes.longest(of: identities) else {
                    return Start(
                        cache: try KeyValueCache(pool, rows: rows), origin: nil, sharedRows: 0)
                }
                return Start(
                    cache: try KeyValueCache(
                        continuing: shared.cache, first: shared.count, rows: rows),
                    origin: shared.origin, sharedRows: min(known, shared.count))
            } catch {
                guard error.isShortage else { throw error }
                // Another try without keeping what prompts start with, then one without idle memory.
                if !isTight {
                    isTight = true
                    continue
                }
                if case .noMemory = error, isAlone, !hasFreed {
                    hasFreed = true
                    model.decoder.ops.freeIdleMemory()
                    continue
                }
                // While others are live, what many prompts start with stays: their pages come back.
                if prefixes.dropOldest(alsoTemplates: isAlone) { continue }
                if isAlone { throw error }
                return nil
            }
        }
    }

    /// Keeps a prompt and its answer for those who continue them.
    func keep(_ rows: [RowIdentity], _ cache: KeyValueCache) {
        prefixes.keep(rows, cache, .answer)
    }

    /// Gives back the pages of all that was kept.
    func drop() {
        while prefixes.dropOldest(alsoTemplates: true) {}
    }

    /// Finds or computes, and keeps, what this prompt and others start with, unless that was done.
    private func keepCommonStart(
        of layout: PromptLayout, _ identities: [RowIdentity], _ cancellation: Cancellation
    ) throws(ModelError) {
        // The last row must run, for its scores.
        let start = Array(layout.start.prefix(layout.rowCount - 1))
        let known = prefixes.longest(of: identities)
        let isNew = (known?.count ?? 0) < CachePageLayout.tokens
        func keep(_ cache: KeyValueCache, _ origin: SharedPrefixes.Origin) {
            prefixes.keep(Array(identities.prefix(cache.rowCount)), cache, origin)
        }
        if isNew, let found = try model.prefixes?.longest(of: start, in: pool) {
            return keep(found, .storedTemplate)
        }
        // The text before a first picture is likely to come again, any other text when it has.
        let isTemplate = !prefixes.hasTemplate && layout.visualRowCount > 0
        if isNew, isTemplate, let store = model.prefixes, store.takes(start.count, of: pool.layout)
        {
            return keep(try computed(start, for: store, cancellation), .template)
        }
        // Alone, an answer would wait for a run that nobody shares.
        guard isShared else { return }
        let common =
            isTemplate ? start : zip(start, previousStart).prefix { $0 == $1 }.map(\.0)
        previousStart = start
        guard common.count >= (known?.count ?? 0) + CachePageLayout.tokens else { return }
        let cache =
            if let known {
                try KeyValueCache(
                    continuing: known.cache, first: known.count, rows: common.count)
            } else {
                try KeyValueCache(pool, rows: common.count)
            }
        try scheduler.run(common, into: cache, cancellation: cancellation)
        keep(cache, .template)
    }

    /// The rows of some tokens, which the next start finds in a file.
    private func computed(
        _ tokens: [TokenID], for store: PrefixStore, _ cancellation: Cancellation
    ) throws(ModelError) -> KeyValueCache {
        // In new pages, no slot has the rows of earlier prompts.
        let apart = try CachePagePool(
            model.decoder.config, rows: tokens.count, format: pool.layout.format)
        let cache = try KeyValueCache(apart, rows: tokens.count)
        try scheduler.run(tokens, into: cache, cancellation: cancellation)
        store.keep(cache, of: tokens)
        return try KeyValueCache(pool, rows: tokens.count, contents: cache.contents)
    }
}

extension ModelError {
    /// Whether a sequence may find room when others have ended.
    fileprivate var isShortage: Bool {
        switch self {
        case .outOfCachePages, .noMemory: true
        default: false
        }
    }
}
