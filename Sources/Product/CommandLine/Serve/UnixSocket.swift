// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import Serving

/// Sockets in the file system.
enum UnixSocket {
    /// Checks that nobody listens on a socket, and that nothing else has its path.
    ///
    /// A socket that a killed server left behind is free: it is replaced.
    static func checkIsFree(_ path: String) throws(ServingError) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFSOCK else {
            throw .address(path, reason: "there is a file of this name that is no socket")
        }
        guard isListenedOn(path) else { return }
        throw .address(path, reason: "another server listens on it")
    }

    private static func isListenedOn(_ path: String) -> Bool {
        #if canImport(Glibc)
            let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #else
            let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { bytes in
            for (index, byte) in path.utf8.enumerated() where index < bytes.count - 1 {
                bytes[index] = byte
            }
        }
        let status = withUnsafePointer(to: address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return status == 0
    }
}
