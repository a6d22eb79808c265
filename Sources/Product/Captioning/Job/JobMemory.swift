// SPDX-License-Identifier: Apache-2.0
import Foundation
import LLaVAModel
import TensorOps
import TrimLLaVA

/// The memory that the KV cache of a job may take.
struct JobMemory {
    /// The part of the free memory that the cache may take: pictures, activations and the files of others
    /// need some too.
    static let share = 0.5

    /// Bytes.
    let byteCount: Int

    /// A share of what the system says is free, and of what the control group leaves; where it says
    /// nothing, as on macOS, of all memory.
    init() {
        let free = Self.free().map(Double.init) ?? Double(ProcessInfo.processInfo.physicalMemory)
        byteCount = Int(Self.share * free)
    }

    init(byteCount: Int) { self.byteCount = byteCount }

    /// Sequences of some rows that the memory holds.
    func sequences(of rows: Int, _ llava: LLaVA) -> Int {
        self.rows(llava) / Self.wholePages(rows)
    }

    /// Rows of the cache for `parallel` sequences of at most `rows`, and what their prompts share: what the
    /// memory holds where that is less, and never less than one sequence.
    func cacheRows(parallel: Int, rows: Int, _ llava: LLaVA) -> Int {
        let wanted = (parallel + 1) * Self.wholePages(rows)
        return max(min(wanted, self.rows(llava)), 2 * Self.wholePages(rows))
    }

    private func rows(_ llava: LLaVA) -> Int {
        let bytesPerRow = KeyValueCache.bytesPerRow(
            llava.model.decoder.config, format: llava.cacheFormat)
        return byteCount / bytesPerRow
    }

    /// Rows with those that a page begun and a copied one waste.
    private static func wholePages(_ rows: Int) -> Int { rows + 2 * CachePageLayout.tokens }

    private static func free() -> Int? {
        let system = number(after: "MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
        let group = "/sys/fs/cgroup/memory."
        let limit = number(after: "", in: group + "max")
        let used = number(after: "", in: group + "current")
        let left = limit.flatMap { limit in used.map { max(0, limit - $0) } }
        return [system, left].compactMap(\.self).min()
    }

    /// The number that follows a word in a file of the kernel's.
    private static func number(after word: String, in path: String) -> Int? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix(word) {
            return Int(line.dropFirst(word.count).filter(\.isNumber))
        }
        return nil
    }
}
