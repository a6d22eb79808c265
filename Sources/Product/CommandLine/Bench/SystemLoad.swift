// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// Load and memory as the operating system reports them.
enum SystemLoad {
    /// A warning if other programs kept more than a tenth of a core busy over the last minute.
    static func warning() -> String? {
        var averages = [0.0]
        guard getloadavg(&averages, 1) == 1, averages[0] > 0.1 else { return nil }
        return String(
            format: "warning: the machine is not idle (load %.2f over the last minute); "
                + "other programs slow the measurements down", averages[0])
    }

    /// The file by which the process's peak memory is reset.
    static let resetFile = FilePath("/proc/self/clear_refs")

    /// Resets the process's peak memory, where the system supports that (Linux).
    static func resetPeakMemory() {
        #if os(Linux)
            guard let file = resetFile.withCString({ fopen($0, "w") }) else { return }
            fputs("5", file)
            fclose(file)
        #endif
    }

    /// The peak of physical memory in bytes since the last reset, where the system reports it (Linux).
    static func peakMemory() -> Int? {
        #if os(Linux)
            guard let file = fopen("/proc/self/status", "r") else { return nil }
            defer { fclose(file) }
            var line = [CChar](repeating: 0, count: 256)
            while fgets(&line, Int32(line.count), file) != nil {
                let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self)
                guard text.hasPrefix("VmHWM:") else { continue }
                return Int(text.filter(\.isNumber)).map { $0 * 1024 }
            }
        #endif
        return nil
    }
}
