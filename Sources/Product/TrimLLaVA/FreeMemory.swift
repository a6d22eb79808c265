// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Memory that is free for more.
package enum FreeMemory {
    /// Bytes that are free in the system and in the control group; all memory on systems that do not say, such as macOS.
    package static var byteCount: Int {
        let system = number(after: "MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
        let group = "/sys/fs/cgroup/memory."
        let limit = number(after: "", in: group + "max")
        let used = number(after: "", in: group + "current")
        let left = limit.flatMap { limit in used.map { max(0, limit - $0) } }
        return [system, left].compactMap(\.self).min()
            ?? Int(ProcessInfo.processInfo.physicalMemory)
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
