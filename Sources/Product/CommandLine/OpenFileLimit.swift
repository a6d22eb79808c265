// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation

/// Checks that the process may open the files that a run needs.
///
/// Dispatch, which waits for signals and child processes, traps if it gets no descriptor.
enum OpenFileLimit {
    /// Descriptors for Dispatch, pictures and outputs.
    private static let needed = 6

    /// Raises the limit as far as the process may, for the connections of a server.
    static func raise() {
        var limits = rlimit()
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limits) == 0 else { return }
        limits.rlim_cur = limits.rlim_max
        _ = setrlimit(resource, &limits)
    }

    /// - Throws: `OpenFileError` if the process may open fewer.
    static func check() throws(OpenFileError) {
        var opened: [Int32] = []
        defer { for descriptor in opened { close(descriptor) } }
        while opened.count < needed {
            let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
            guard descriptor >= 0 else {
                throw OpenFileError(
                    needed: needed, granted: opened.count, reason: systemReason())
            }
            opened.append(descriptor)
        }
    }
}

/// The process may open too few files.
struct OpenFileError: Error, Equatable, CustomStringConvertible {
    let needed: Int
    let granted: Int
    let reason: String

    var description: String {
        """
        only \(granted) more files can be opened, expected \(needed): \(reason); see ulimit -n
        """
    }
}
