// SPDX-License-Identifier: Apache-2.0
import FileOutput
import Foundation
import Testing

@testable import Sandboxing

#if os(Linux)
    /// What a process can and cannot do in its sandbox.
    ///
    /// Each test closes one around a process of its own.
    @Suite struct SandboxTests {
        @Test func thisKernelHasASandbox() throws {
            #expect(try Sandbox.check() >= 1)
        }

        @Test func filesOutsideAreClosed() async {
            await #expect(processExitsWith: .success) {
                let scene = try Scene()
                try scene.close()
                #expect(scene.reads(scene.input + "/picture") == 0)
                #expect(scene.reads(scene.secret + "/key") == EACCES)
                #expect(scene.reads("/etc/passwd") == EACCES)
                // The link lies inside, and leads outside.
                #expect(scene.reads(scene.input + "/link") == EACCES)
                #expect(opendir(scene.secret) == nil && errno == EACCES)
                #expect(scene.opens(scene.input + "/picture", O_WRONLY) == EACCES)
                #expect(scene.opens(scene.input + "/picture", O_RDONLY | O_TRUNC) == EPERM)
                #expect(scene.opens(scene.input + "/new", O_WRONLY | O_CREAT) == EACCES)
                #expect(unlink(scene.input + "/picture") != 0 && errno == EACCES)
                #expect(mkdir(scene.input + "/folder", 0o777) != 0 && errno == EACCES)
                #expect(rename(scene.input + "/picture", scene.output + "/x") != 0)
                #expect(link(scene.input + "/picture", scene.output + "/x") != 0)
                #expect(symlink("/etc/passwd", scene.output + "/x") != 0)
                #expect(chmod(scene.input + "/picture", 0) != 0 && errno == EPERM)
                #expect(truncate(scene.input + "/picture", 0) != 0 && errno == EPERM)
                #expect(utimes(scene.input + "/picture", nil) != 0 && errno == EPERM)
                #expect(scene.opens("/proc/\(getppid())/environ", O_RDONLY) == EACCES)
                #expect(scene.opens("/proc/\(getppid())/cmdline", O_RDONLY) == EACCES)
                #expect(scene.opens("/proc/self/mem", O_RDWR) == EACCES)
                #expect(scene.reads("/proc/self/status") == 0 && scene.reads("/proc/meminfo") == 0)
            }
        }

        @Test func outputsCanBeWrittenInEveryWay() async {
            await #expect(processExitsWith: .success) {
                let scene = try Scene()
                try scene.close()
                let file = FilePath(scene.output + "/file")
                for text in ["old", "new"] { try OutputFile.write(text.utf8, to: file) }
                try OutputFile.write(
                    "deep".utf8, to: FilePath(scene.output + "/a/b"), makesFolders: true)
                #expect(try String(contentsOfFile: file.text, encoding: .utf8) == "new")
                let records = try LockedOutput.opened(FilePath(scene.output + "/records"))
                #expect(writeAll(Array("line\nhalf".utf8), to: records))
                #expect(ftruncate(records, 5) == 0 && fsync(records) == 0)
                #expect(unlink(file.text) == 0)
                #expect(scene.opens("/dev/null", O_RDONLY) == 0)
            }
        }

        @Test func dangerousCallsAreRefused() async {
            await #expect(processExitsWith: .success) {
                try Scene().close()
                for (name, number) in RefusedCall.all {
                    #expect(RefusedCall.error(of: number) == EPERM, "\(name)")
                }
                for number in RefusedCall.unknown {
                    #expect(RefusedCall.error(of: number) == ENOSYS)
                }
                #expect(execv("/bin/true", [nil]) != 0 && [EPERM, EACCES].contains(errno))
                #expect(kill(getppid(), 0) != 0 && errno == EPERM)
                #expect(kill(getpid(), 0) == 0)
                #expect(RefusedCall.error(of: RefusedCall.ioctl, 0, RefusedCall.typing) == EPERM)
                var child = pid_t()
                #expect(posix_spawn(&child, "/bin/true", nil, nil, [nil], nil) != 0)
            }
        }

        /// Threads that run before, and those that are started later.
        @Test func allThreadsAreInside() async {
            await #expect(processExitsWith: .success) {
                let scene = try Scene()
                let (ready, go) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
                let seen = DispatchGroup()
                let errors = Errors()
                for _ in 0..<8 {
                    Thread.detachNewThread { [passwords = scene.secret + "/key"] in
                        seen.enter()
                        ready.signal()
                        go.wait()
                        errors.note(scene.reads(passwords))
                        errors.note(socket(AF_INET, 1, 0) < 0 ? errno : 0)
                        seen.leave()
                    }
                    ready.wait()
                }
                DispatchQueue.global().async(group: seen) {
                    ready.signal()
                    go.wait()
                    errors.note(scene.reads(scene.secret + "/key"))
                }
                ready.wait()
                try scene.close()
                for _ in 0..<9 { go.signal() }
                seen.wait()
                DispatchQueue.concurrentPerform(iterations: 4) { _ in
                    errors.note(scene.reads(scene.secret + "/key"))
                }
                #expect(errors.all.filter { $0 == EACCES }.count == 13)
                #expect(errors.all.filter { $0 == EPERM }.count == 8)
                #expect(errors.all.count == 21)
            }
        }

        @Test func aServerCanAcceptAndDoNothingElse() async {
            await #expect(processExitsWith: .success) {
                let scene = try Scene()
                let (server, client, address) = try Connections.listening()
                try scene.close { $0.acceptsConnections = true }
                let accepted = accept(server, nil, nil)
                #expect(accepted >= 0)
                #expect(send(client, "hello", 5, 0) == 5)
                var bytes = [UInt8](repeating: 0, count: 5)
                #expect(recv(accepted, &bytes, 5, 0) == 5 && bytes == Array("hello".utf8))
                #expect(write(accepted, bytes, 5) == 5)
                #expect(socket(AF_INET, 1, 0) < 0 && errno == EPERM)
                #expect(Connections.connect(client, address) == EPERM)
                #expect(Connections.send(client, address) == EPERM)
            }
        }

        @Test func withoutAServerNoSocketAccepts() async {
            await #expect(processExitsWith: .success) {
                let (server, _, _) = try Connections.listening()
                try Scene().close()
                #expect(accept(server, nil, nil) < 0 && errno == EPERM)
            }
        }

        @Test func aSecondSandboxIsSmaller() async {
            await #expect(processExitsWith: .success) {
                let scene = try Scene()
                try scene.close()
                try Sandbox.close(SandboxRules())
                #expect(scene.reads(scene.input + "/picture") == EACCES)
            }
        }
    }
#endif
