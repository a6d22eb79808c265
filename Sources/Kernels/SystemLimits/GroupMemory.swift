// SPDX-License-Identifier: Apache-2.0
import Synchronization

#if os(Linux)
    import Glibc

    extension ControlGroups {
        /// Bytes that the process may still take before a group of its is full; nil without a limit.
        ///
        /// The kernel ends a process that takes more. What files have in memory counts as free, because the kernel drops it
        /// first, and so does swap that the group may use.
        package func freeMemory() -> Int? {
            let free = limits(by: "memory", version2: freeOfVersion2, version1: freeOfVersion1)
            return free.min().map { max(0, $0) }
        }

        private func freeOfVersion2(_ group: String) -> Int? {
            guard let limit = number(in: group + "memory.max"),
                let used = number(in: group + "memory.current")
            else { return nil }
            let swap =
                lines(group + "memory.swap.max").first.map { text in
                    Int(text).map { $0 - (number(in: group + "memory.swap.current") ?? 0) } ?? .max
                } ?? 0
            return limit - used + files(group, prefix: "") + min(max(0, swap), freeSwap)
        }

        private func freeOfVersion1(_ group: String) -> Int? {
            guard let limit = number(in: group + "memory.limit_in_bytes"),
                limit < Self.leastUnlimited, let used = number(in: group + "memory.usage_in_bytes")
            else { return nil }
            let both = number(in: group + "memory.memsw.limit_in_bytes") ?? .max
            return limit - used + files(group, prefix: "total_") + min(both - limit, freeSwap)
        }

        /// Limits from here on mean none: version 1 has no word for it, and rounds the largest number to a page.
        private static let leastUnlimited = 1 << 60

        /// Bytes of files that the group has in memory.
        private func files(_ group: String, prefix: String) -> Int {
            let wanted = ["inactive_file", "active_file"].map { prefix + $0 }
            return lines(group + "memory.stat").reduce(0) { sum, line in
                let words = line.split(separator: " ")
                guard words.count == 2, wanted.contains(String(words[0])) else { return sum }
                return sum + (Int(words[1]) ?? 0)
            }
        }

        /// Bytes of swap that are free in the system.
        private var freeSwap: Int {
            let field = "SwapFree:"
            let line = lines(root + "proc/meminfo").first { $0.hasPrefix(field) }
            let kibibytes = line.flatMap { Int($0.dropFirst(field.count).filter(\.isNumber)) }
            return (kibibytes ?? 0) * 1024
        }

        private func number(in file: String) -> Int? { lines(file).first.flatMap { Int($0) } }
    }
#endif

/// The memory that control groups leave to this process.
///
/// The kernel ends a process that takes more. So whoever may take much asks first.
package final class GroupMemory: Sendable {
    /// The groups of this process.
    package static let shared = GroupMemory {
        #if os(Linux)
            ControlGroups(root: "/").freeMemory()
        #else
            nil
        #endif
    }

    /// Bytes for what is not asked for: stacks, small objects, page tables and the program's own pages, which the kernel
    /// reads again and again where they do not fit.
    package static let reserve = 6 << 20
    /// Reading the kernel's files takes longer than filling a smaller piece.
    private static let leastLookedAt = 1 << 20
    /// The smallest page of the systems that have control groups.
    private static let page = 4096

    private let readFree: @Sendable () -> Int?
    /// Bytes that will be written to.
    private let promised = Mutex(0)

    /// - Parameter free: the bytes that may still be taken; nil without a limit.
    init(free: @escaping @Sendable () -> Int?) { readFree = free }

    /// Bytes that may still be taken; nil without a limit, and on systems without control groups.
    package var free: Int? { readFree() }

    /// Whether a piece of memory leaves the reserve.
    ///
    /// If so, a byte of each of its pages is written to, so that the group counts them; what it holds is undefined.
    /// Without a limit nothing is written.
    package func grants(_ memory: UnsafeMutableRawPointer, byteCount: Int) -> Bool {
        guard byteCount >= Self.leastLookedAt else { return true }
        // Two threads at once would both see what one of them takes.
        return promised.withLock { promised in
            guard let free else { return true }
            guard byteCount <= free - promised - Self.reserve else { return false }
            for offset in stride(from: 0, to: byteCount, by: Self.page) {
                memory.storeBytes(of: 0, toByteOffset: offset, as: UInt8.self)
            }
            return true
        }
    }

    /// Promises bytes that will be written to later, unless the group would lose its reserve.
    ///
    /// Nobody else is granted them until `endPromise`.
    package func promise(_ byteCount: Int) -> Bool {
        promised.withLock { promised in
            func hasRoom() -> Bool {
                free.map { promised + byteCount <= $0 - Self.reserve } ?? true
            }
            if byteCount > 0, !hasRoom() {
                giveBackFreed()
                guard hasRoom() else { return false }
            }
            promised += byteCount
            return true
        }
    }

    /// Ends the promise of bytes that have been written to, or will not be.
    package func endPromise(_ byteCount: Int) { promised.withLock { $0 -= byteCount } }

    /// Gives the system what the C library keeps of freed memory, where there is a limit.
    package func giveBackFreed() {
        #if os(Linux)
            // `malloc_trim` of glibc's malloc.h, which Swift's module of glibc lacks.
            guard free != nil, let function = dlsym(nil, "malloc_trim") else { return }
            typealias Trim = @convention(c) (_ kept: Int) -> CInt
            _ = unsafeBitCast(function, to: Trim.self)(0)
        #endif
    }
}
