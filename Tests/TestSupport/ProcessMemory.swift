// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
    import Foundation

    /// Limits this process's address space to its current size and `extraBytes`.
    public func capAddressSpace(extraBytes: Int) throws {
        let pages = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            .split(separator: " ").first.flatMap { Int($0) }
        let used = (pages ?? 0) * Int(getpagesize())
        let resource = __rlimit_resource_t(RLIMIT_AS.rawValue)
        // The hard limit stays, so that a later call can allow more.
        var limit = rlimit()
        getrlimit(resource, &limit)
        limit.rlim_cur = min(rlim_t(used + extraBytes), limit.rlim_max)
        guard setrlimit(resource, &limit) == 0 else {
            throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EPERM)
        }
    }

    /// The peak resident memory of this process.
    public func peakResidentBytes() -> Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss * 1024
    }
#endif
