// SPDX-License-Identifier: Apache-2.0
import Decoder
import TensorOps
import TrimLLaVA

/// The memory limit of a job's KV cache.
struct JobMemory {
    /// The share of the free memory that the cache may take.
    ///
    /// Pictures, activations and other programs' files need the rest.
    static let share = 0.5

    /// The limit in bytes.
    let byteCount: Int

    /// A share of the memory that is free in the system and in the control group.
    ///
    /// On systems that do not say, such as macOS, a share of all memory.
    init() { byteCount = Int(Self.share * Double(FreeMemory.byteCount)) }

    init(byteCount: Int) { self.byteCount = byteCount }

    /// The number of sequences with the given rows that fit.
    func sequences(of rows: Int, _ llava: LLaVA) -> Int {
        self.rows(llava) / Self.wholePages(rows)
    }

    /// The cache rows for `parallel` sequences of at most `rows` and the prefix that they share.
    ///
    /// Limited to what fits, but at least one sequence.
    func cacheRows(parallel: Int, rows: Int, _ llava: LLaVA) -> Int {
        let wanted = (parallel + 1) * Self.wholePages(rows)
        return max(min(wanted, self.rows(llava)), 2 * Self.wholePages(rows))
    }

    private func rows(_ llava: LLaVA) -> Int {
        let bytesPerRow = KeyValueCache.bytesPerRow(
            llava.model.decoder.config, format: llava.cacheFormat)
        return byteCount / bytesPerRow
    }

    /// The rows of a sequence with those that are wasted in its last page and in a copied one.
    private static func wholePages(_ rows: Int) -> Int { rows + 2 * CachePageLayout.tokens }
}
