// SPDX-License-Identifier: Apache-2.0
import Foundation
import SystemLimits

/// Memory that is free for more.
package enum FreeMemory {
    /// Bytes that are free in the system and in the control groups; all memory on systems that do not say, such as macOS.
    package static var byteCount: Int {
        let system = number(after: "MemAvailable:", in: "/proc/meminfo").map { $0 * 1024 }
        return [system, GroupMemory.shared.free].compactMap(\.self).min()
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
