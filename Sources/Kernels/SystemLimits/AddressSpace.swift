// SPDX-License-Identifier: Apache-2.0
#if canImport(Glibc)
    import Glibc
#endif

/// The address space of a process that may have only some of it, as after `ulimit -v`.
///
/// Memory whose size a picture or a model decides is asked for, and a refusal is an error. The small objects of Swift's
/// runtime and of the C library are not: without memory for them, the process ends. So what is asked for
/// must leave some.
package enum AddressSpace {
    /// Bytes for the stacks of three threads, 8 MiB each, and for small objects: some times what they take in a run with the
    /// demonstration model.
    private static let reserve = 32 << 20

    #if os(Linux)
        /// Limits are set before a program starts.
        private static let isLimited: Bool = {
            var limits = rlimit()
            let resource = __rlimit_resource_t(RLIMIT_AS.rawValue)
            return getrlimit(resource, &limits) == 0 && limits.rlim_cur != rlim_t.max
        }()
    #endif

    /// Lets all threads share the C library's first arena; before they start.
    ///
    /// Each thread that allocates would get an arena with 64 MiB of address space, which others cannot use. One that takes
    /// the last of it would leave nothing to them.
    package static func shareArena() {
        #if os(Linux)
            guard isLimited, let function = dlsym(nil, "mallopt") else { return }
            // `mallopt` of glibc's malloc.h, which Swift's module of glibc lacks, and its M_ARENA_MAX.
            typealias SetOption = @convention(c) (CInt, CInt) -> CInt
            _ = unsafeBitCast(function, to: SetOption.self)(-8, 1)
        #endif
    }

    /// Whether there is room for small objects; a piece of memory after which there is none has to be given back.
    package static var hasReserve: Bool {
        #if os(Linux)
            guard isLimited else { return true }
            let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
            guard let room = mmap(nil, reserve, PROT_NONE, flags, -1, 0), room != MAP_FAILED else {
                return false
            }
            munmap(room, reserve)
        #endif
        return true
    }
}
