// SPDX-License-Identifier: Apache-2.0
import SystemLimits

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// How many cores this process may really use.
public enum PhysicalCores {
    /// Physical cores inside the affinity mask and the control groups' quota; at least 1.
    ///
    /// Two hardware threads of a core share its vector units, so they count once.
    public static func count() -> Int {
        let limits = limits()
        return max(1, min(limits.cores, limits.quota ?? limits.cores))
    }

    /// Bytes of a core's second-level cache; nil if the system does not say.
    public static let secondLevelCacheBytes: Int? = {
        #if canImport(Glibc)
            let bytes = sysconf(Int32(_SC_LEVEL2_CACHE_SIZE))
            return bytes > 0 ? bytes : nil
        #else
            return nil
        #endif
    }()

    /// What `count` depends on.
    public struct Limits: Sendable {
        /// Hardware threads inside the affinity mask.
        public let hardwareThreads: Int
        /// Physical cores inside the affinity mask.
        public let cores: Int
        /// Whole cores that the control groups leave to this process; nil without a limit.
        public let quota: Int?
    }

    /// What limits this process now.
    public static func limits() -> Limits {
        #if os(Linux)
            let processors = allowedProcessors()
            return Limits(
                hardwareThreads: processors.count, cores: Set(processors.map(coreName)).count,
                quota: ControlGroups(root: "/").wholeCores())
        #else
            let cores = performanceCores()
            return Limits(hardwareThreads: cores, cores: cores, quota: nil)
        #endif
    }

    #if os(Linux)
        /// The processors of the affinity mask, as the kernel lists them: `0-3,8,10-11`.
        private static func allowedProcessors() -> [Int] {
            let field = "Cpus_allowed_list:"
            guard let line = lines("/proc/self/status").first(where: { $0.hasPrefix(field) }) else {
                return Array(0..<max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))))
            }
            return processors(inList: String(line.dropFirst(field.count)))
        }

        static func processors(inList list: String) -> [Int] {
            list.split(separator: ",").flatMap { range -> [Int] in
                let bounds = range.split(separator: "-").compactMap { bound in
                    Int(bound.filter(\.isNumber))
                }
                guard let first = bounds.first, let last = bounds.last, first <= last else {
                    return []
                }
                return Array(first...last)
            }
        }

        /// The same text for all hardware threads of one core; unique when the topology is hidden.
        private static func coreName(_ processor: Int) -> String {
            let topology = "/sys/devices/system/cpu/cpu\(processor)/topology/"
            return lines(topology + "core_cpus_list").first
                ?? lines(topology + "thread_siblings_list").first ?? "\(processor)"
        }
    #else
        private static func performanceCores() -> Int {
            var count: Int32 = 0
            var size = MemoryLayout<Int32>.size
            for name in ["hw.perflevel0.physicalcpu", "hw.physicalcpu"]
            where sysctlbyname(name, &count, &size, nil, 0) == 0 && count > 0 {
                return Int(count)
            }
            return 1
        }
    #endif
}
