// SPDX-License-Identifier: Apache-2.0
import Foundation

/// What has to be so before anything is opened.
enum ProcessStart {
    /// Makes the process one that a closed stream or a limit on files does not harm.
    static func prepare() {
        occupyStandardDescriptors()
        // A file that becomes too long is an error of the write, as a full disk is.
        signal(SIGXFSZ, SIG_IGN)
    }

    /// Opens the descriptors of standard input, output and error where they are closed: the next file that
    /// is opened would get their numbers, and take what is printed.
    ///
    /// They are opened the wrong way round, so that what is read or written by them is an error as before.
    private static func occupyStandardDescriptors() {
        for descriptor in STDIN_FILENO...STDERR_FILENO
        where fcntl(descriptor, F_GETFD) < 0 && errno == EBADF {
            // The lowest number that is free is this one.
            _ = open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY)
        }
    }
}
