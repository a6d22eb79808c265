// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import SystemLimits

/// Prepares the process before anything is opened.
enum ProcessStart {
    /// Protects the process against closed standard streams and limits on file sizes and address space.
    static func prepare() {
        occupyStandardDescriptors()
        AddressSpace.shareArena()
        // Exceeding the limit on a file's size becomes an error of the write, like a full disk.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Opens closed standard streams.
    ///
    /// Otherwise the next file that is opened would get their descriptors and receive what is printed.
    ///
    /// They are opened in the wrong direction, so reading or writing them still fails.
    private static func occupyStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO
        where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            // `open` takes the lowest free descriptor, which is this one.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}

/// Checks that the process may open the files that a run needs.
///
/// Dispatch, which waits for signals and child processes, traps if it gets no descriptor.
enum OpenFileLimit {
    /// Descriptors for Dispatch, pictures and outputs.
    private static let needed = 6
    /// Descriptors of a process whose limit is not known (POSIX, `_POSIX_OPEN_MAX`).
    private static let fewest = 20

    /// Raises the limit as far as the process may, for the connections of a server.
    ///
    /// - Returns: the descriptors that the process may have.
    static func raise() -> Int {
        var limits = rlimit()
        #if canImport(Glibc)
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        #else
            let resource = RLIMIT_NOFILE
        #endif
        guard getrlimit(resource, &limits) == 0 else { return fewest }
        let soft = limits.rlim_cur
        limits.rlim_cur = limits.rlim_max
        let granted = setrlimit(resource, &limits) == 0 ? limits.rlim_max : soft
        return Int(clamping: granted)
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
