// SPDX-License-Identifier: Apache-2.0
import Decoder
import Foundation
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
    init() {
        let free = Self.free().map(Double.init) ?? Double(ProcessInfo.processInfo.physicalMemory)
        byteCount = Int(Self.share * free)
    }

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

    private static func free() -> Int? {
        let system = number(after: "MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
        let group = "/sys/fs/cgroup/memory."
        let limit = number(after: "", in: group + "max")
        let used = number(after: "", in: group + "current")
        let left = limit.flatMap { limit in used.map { max(0, limit - $0) } }
        return [system, left].compactMap(\.self).min()
    }

    /// The number after a word in one of the kernel's files.
    private static func number(after word: String, in path: String) -> Int? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(word) {
            return Int(line.dropFirst(word.count).filter(\.isNumber))
        }
        return nil
    }
}
