// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Prepares the process before anything is opened.
enum ProcessStart {
    /// Protects the process against closed standard streams and limits on file sizes.
    static func prepare() {
        occupyStandardDescriptors()
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
