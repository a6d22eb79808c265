// SPDX-License-Identifier: Apache-2.0
import DemoModel
import Foundation
import TrimLLaVA

/// The program and the machine that it runs on.
struct MachineReport: Encodable {
    let program: String
    /// Whether the compiler optimised the program, which is too slow for real models otherwise.
    let isOptimized: Bool
    let system: String
    /// What the processor calls itself; nil where the system does not say.
    let processor: String?
    let memoryBytes: Int
    /// Free for more, in the system and in the control group.
    let freeBytes: Int
    /// Of the process's address space; nil without a limit.
    let addressSpaceBytes: Int?
    /// Files that the process may have open at the same time; nil without a limit.
    let openFiles: Int?
    /// When the kernel gives huge pages: always, madvise or never; nil where it does not say.
    let hugePages: String?
    /// Whether the model that comes with the program lies beside it.
    let hasDemoModel: Bool

    init() {
        program = Bundle.main.executableURL?.resolvingSymlinksInPath().path ?? "unknown"
        #if DEBUG
            isOptimized = false
        #else
            isOptimized = true
        #endif
        system = Self.systemName
        processor = Self.processorName
        memoryBytes = Int(ProcessInfo.processInfo.physicalMemory)
        freeBytes = FreeMemory.byteCount
        #if canImport(Glibc)
            addressSpaceBytes = Self.limit(__rlimit_resource_t(RLIMIT_AS.rawValue))
            openFiles = Self.limit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue))
        #else
            addressSpaceBytes = Self.limit(RLIMIT_AS)
            openFiles = Self.limit(RLIMIT_NOFILE)
        #endif
        hugePages = Self.chosenWord("/sys/kernel/mm/transparent_hugepage/enabled")
        hasDemoModel = DemoModel.files != nil
    }

    /// A line for each fact, for a terminal.
    var text: String {
        tableText([
            ["trimllava", Release.version + (isOptimized ? "" : ", a debug build")],
            ["  program", program],
            ["system", system],
            ["processor", processor ?? "unknown"],
            ["memory", "\(byteCountText(memoryBytes)), \(byteCountText(freeBytes)) of it free"],
            ["  address space", addressSpaceBytes.map(byteCountText) ?? "unlimited"],
            ["  huge pages", hugePages ?? "unknown"],
            ["open files", openFiles.map { "at most \($0)" } ?? "unlimited"],
            ["demonstration model", hasDemoModel ? "found" : "not beside the program"],
        ])
    }

    #if canImport(Glibc)
        private typealias Resource = __rlimit_resource_t
    #else
        private typealias Resource = Int32
    #endif

    /// What the process may have of a resource; nil without a limit.
    private static func limit(_ resource: Resource) -> Int? {
        var limits = rlimit()
        guard getrlimit(resource, &limits) == 0, limits.rlim_cur < rlim_t(Int.max) else {
            return nil
        }
        return Int(limits.rlim_cur)
    }

    /// The kernel, its version and architecture, and the distribution.
    private static var systemName: String {
        var names = utsname()
        uname(&names)
        func text<Characters>(_ characters: Characters) -> String {
            withUnsafeBytes(of: characters) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
        }
        let kernel = "\(text(names.sysname)) \(text(names.release)) \(text(names.machine))"
        let key = "PRETTY_NAME="
        let name = lines("/etc/os-release").first { $0.hasPrefix(key) }
            .map { $0.dropFirst(key.count).trimming { $0 == "\"" } }
        return name.map { "\($0), \(kernel)" } ?? kernel
    }

    private static var processorName: String? {
        #if os(Linux)
            let key = "model name"
            return lines("/proc/cpuinfo").first { $0.hasPrefix(key) }
                .map { $0.dropFirst(key.count).trimming { $0 == ":" || $0.isWhitespace } }
        #else
            var size = 0
            guard sysctlbyname("machdep.cpu.brand_string", nil, &size, nil, 0) == 0 else {
                return nil
            }
            var name = [UInt8](repeating: 0, count: size)
            guard sysctlbyname("machdep.cpu.brand_string", &name, &size, nil, 0) == 0 else {
                return nil
            }
            return String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
        #endif
    }

    /// The word in brackets of a file of the kernel, such as `always [madvise] never`.
    private static func chosenWord(_ path: String) -> String? {
        lines(path).first.flatMap { line in
            line.split(separator: " ").first { $0.hasPrefix("[") && $0.hasSuffix("]") }
                .map { String($0.dropFirst().dropLast()) }
        }
    }

    private static func lines(_ path: String) -> [Substring] {
        let text = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        return text.split(separator: "\n")
    }
}

extension Substring {
    /// The text without characters at its ends for which `isOmitted` holds.
    fileprivate func trimming(_ isOmitted: (Character) -> Bool) -> String {
        let rest = drop(while: isOmitted)
        let end = rest.lastIndex { !isOmitted($0) }
        return end.map { String(rest[...$0]) } ?? ""
    }
}
