// SPDX-License-Identifier: Apache-2.0
import CSandbox
import FileOutput

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

/// The rights that a process gives up for good, before it reads what strangers made.
///
/// Landlock restricts access to files: https://docs.kernel.org/userspace-api/landlock.html. A filter of system calls (seccomp)
/// refuses programs, connections and what Landlock does not know.
public enum Sandbox {
    /// Checks that the system has all that a sandbox needs.
    ///
    /// - Returns: the version of Landlock.
    /// - Throws: `SandboxError`.
    @discardableResult
    public static func check() throws(SandboxError) -> Int {
        #if os(Linux) && (arch(x86_64) || arch(arm64))
            let version = sandbox_landlock_version()
            guard version >= 1 else { throw .noLandlock(code: errno) }
            guard sandbox_check_filter() == 0 else { throw .noFilter(code: errno) }
            return Int(version)
        #else
            throw .unsupportedSystem
        #endif
    }

    /// Leaves all threads of the process with what the rules allow.
    ///
    /// Files that are open stay open. Every version of Landlock gives the same sandbox: what old ones do not know, the filter
    /// refuses.
    ///
    /// - Throws: `SandboxError`; the process may have lost some of its rights then, and should end.
    public static func close(_ rules: SandboxRules) throws(SandboxError) {
        let version = try check()
        let ruleset = sandbox_open_rules(Int32(version))
        guard ruleset >= 0 else { throw .files(code: errno) }
        defer { Self.close(ruleset) }
        for (path, rights) in rules.rights {
            let result = path.withCString { sandbox_allow(ruleset, $0, rights.rawValue) }
            guard result == 0 else { throw .path(path.text, code: errno) }
        }
        guard sandbox_apply_rules(ruleset) == 0 else { throw .files(code: errno) }
        guard sandbox_filter_calls(rules.acceptsConnections) == 0 else {
            throw .calls(code: errno)
        }
    }

    private static func close(_ descriptor: Int32) {
        #if canImport(Glibc)
            _ = Glibc.close(descriptor)
        #elseif canImport(Darwin)
            _ = Darwin.close(descriptor)
        #endif
    }
}
