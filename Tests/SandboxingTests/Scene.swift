// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import Synchronization
import TestSupport

@testable import Sandboxing

#if os(Linux)
    /// Folders to read, to write and to leave alone.
    struct Scene: Sendable {
        let input: String
        let output: String
        let secret: String

        init() throws {
            let folder = NSTemporaryDirectory() + "sandbox-\(getpid())"
            (input, output, secret) = (folder + "/input", folder + "/output", folder + "/secret")
            for path in [input, output, secret] {
                try FileManager.default.createDirectory(
                    atPath: path, withIntermediateDirectories: true)
            }
            for path in [input + "/picture", secret + "/key"] {
                try Data("content".utf8).write(to: URL(fileURLWithPath: path))
            }
            try? FileManager.default.createSymbolicLink(
                atPath: input + "/link", withDestinationPath: secret + "/key")
        }

        /// Closes the sandbox around the first two.
        func close(_ more: (inout SandboxRules) -> Void = { _ in }) throws {
            var rules = SandboxRules()
            rules.read(FilePath(input))
            rules.write(FilePath(output + "/file"))
            more(&rules)
            try Sandbox.close(rules)
        }

        /// The error of opening a file; 0 without one.
        func opens(_ path: String, _ flags: Int32) -> Int32 {
            let descriptor = open(path, flags, 0o666)
            guard descriptor >= 0 else { return errno }
            Glibc.close(descriptor)
            return 0
        }

        /// The error of reading a file; 0 without one.
        func reads(_ path: String) -> Int32 { opens(path, O_RDONLY) }
    }

    /// Errors that several threads note.
    final class Errors: Sendable {
        private let noted = Mutex<[Int32]>([])

        var all: [Int32] { noted.withLock(\.self) }

        func note(_ error: Int32) { noted.withLock { $0.append(error) } }
    }

    /// Sockets on this machine.
    enum Connections {
        /// A socket that listens, one that has connected to it, and the address.
        static func listening() throws -> (server: Int32, client: Int32, address: sockaddr_in) {
            let stream = Int32(SOCK_STREAM.rawValue)
            let (server, client) = (socket(AF_INET, stream, 0), socket(AF_INET, stream, 0))
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(server, $0, length) == 0 && listen(server, 1) == 0
                        && getsockname(server, $0, &length) == 0
                }
            }
            guard isBound, connect(client, address) == 0 else { throw POSIXError(.EIO) }
            return (server, client, address)
        }

        /// The error of connecting; 0 without one.
        static func connect(_ socket: Int32, _ address: sockaddr_in) -> Int32 {
            pass(address) { Glibc.connect(socket, $0, $1) }
        }

        /// The error of sending a byte to an address; 0 without one.
        static func send(_ socket: Int32, _ address: sockaddr_in) -> Int32 {
            pass(address) { Int32(sendto(socket, "x", 1, 0, $0, $1)) }
        }

        private static func pass(
            _ address: sockaddr_in, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32
        ) -> Int32 {
            withUnsafePointer(to: address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    call($0, socklen_t(MemoryLayout<sockaddr_in>.size)) < 0 ? errno : 0
                }
            }
        }
    }

    /// System calls by their numbers.
    enum RefusedCall {
        /// `TIOCSTI`: puts a character into the terminal's input.
        static let typing = 0x5412

        #if arch(x86_64)
            static let ioctl = 16
            static let all =
                [
                    ("execve", 59), ("execveat", 322), ("fork", 57), ("vfork", 58), ("ptrace", 101),
                    ("process_vm_readv", 310), ("process_vm_writev", 311), ("socket", 41),
                    ("socketpair", 53), ("bind", 49), ("connect", 42), ("listen", 50),
                    ("mount", 165),
                    ("umount2", 166), ("bpf", 321), ("keyctl", 250), ("add_key", 248),
                    ("init_module", 175), ("finit_module", 313), ("kexec_load", 246),
                    ("unshare", 272), ("setns", 308), ("perf_event_open", 298),
                    ("userfaultfd", 323),
                    ("chroot", 161), ("setxattr", 188), ("shmget", 29), ("mq_open", 240),
                    ("tkill", 200),
                    ("mknod", 133), ("open_by_handle_at", 304), ("clone without CLONE_THREAD", 56),
                ] + newer
        #else
            static let ioctl = 29
            static let all =
                [
                    ("execve", 221), ("execveat", 281), ("ptrace", 117), ("process_vm_readv", 270),
                    ("process_vm_writev", 271), ("socket", 198), ("socketpair", 199), ("bind", 200),
                    ("connect", 203), ("listen", 201), ("mount", 40), ("umount2", 39), ("bpf", 280),
                    ("keyctl", 219), ("add_key", 217), ("init_module", 105), ("finit_module", 273),
                    ("kexec_load", 104), ("unshare", 97), ("setns", 268), ("perf_event_open", 241),
                    ("userfaultfd", 282), ("chroot", 51), ("setxattr", 5), ("shmget", 194),
                    ("mq_open", 180), ("tkill", 130), ("mknodat", 33), ("open_by_handle_at", 265),
                    ("clone without CLONE_THREAD", 220),
                ] + newer
        #endif
        private static let newer = [
            ("pidfd_send_signal", 424), ("io_uring_setup", 425), ("io_uring_enter", 426),
            ("io_uring_register", 427), ("open_tree", 428), ("move_mount", 429), ("fsopen", 430),
            ("pidfd_open", 434), ("pidfd_getfd", 438), ("memfd_secret", 447), ("fchmodat2", 452),
            ("setxattrat", 463), ("file_setattr", 469),
        ]
        /// clone3, openat2, calls newer than the filter, and one of x32.
        static let unknown = [435, 437, 470, 600, 0x4000_0000]

        /// The error of a call whose other arguments are zeros; 0 without one.
        static func error(of number: Int, _ first: Int = 0, _ second: Int = 0) -> Int32 {
            typealias Call = @convention(c) (Int, Int, Int, Int, Int, Int, Int) -> Int
            guard let symbol = dlsym(nil, "syscall") else { return 0 }
            let call = unsafeBitCast(symbol, to: Call.self)
            return call(number, first, second, 0, 0, 0, 0) < 0 ? errno : 0
        }
    }
#endif
