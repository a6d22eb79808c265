// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import WorkerPool

@Suite struct PhysicalCoresTests {
    @Test func countIsPositiveAndWithinTheMachine() {
        let count = PhysicalCores.count()
        #expect(count >= 1)
        #expect(count <= ProcessInfo.processInfo.processorCount)
    }

    #if os(Linux)
        @Test func affinityListsAreRead() {
            #expect(PhysicalCores.processors(inList: "\t0-3,8,10-11") == [0, 1, 2, 3, 8, 10, 11])
            #expect(PhysicalCores.processors(inList: "5") == [5])
            #expect(PhysicalCores.processors(inList: "").isEmpty)
        }

        /// Quotas in files laid out as the kernel does, and the whole cores they leave.
        @Test(
            arguments: [
                ([:], nil),
                (["proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"], nil),
                (["proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "400000 100000"], 4),
                (["proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "399999 100000"], 3),
                (["proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "20000 100000"], 1),
                (["proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "garbage"], nil),
                // The process's own group limits it,
                (
                    [
                        "proc/self/cgroup": "0::/user.slice/job.scope",
                        "sys/fs/cgroup/user.slice/cpu.max": "max 100000",
                        "sys/fs/cgroup/user.slice/job.scope/cpu.max": "250000 100000",
                    ], 2
                ),
                // or one around it, but not one beside it.
                (
                    [
                        "proc/self/cgroup": "0::/user.slice/job.scope",
                        "sys/fs/cgroup/user.slice/cpu.max": "60000 20000",
                        "sys/fs/cgroup/user.slice/job.scope/cpu.max": "800000 100000",
                        "sys/fs/cgroup/user.slice/other.scope/cpu.max": "100000 100000",
                    ], 3
                ),
                // Version 1 and 2 side by side; another hierarchy's path must not be taken.
                (
                    [
                        "proc/self/cgroup": "5:memory:/a\n3:cpu,cpuacct:/docker/b\n0::/init.scope",
                        "sys/fs/cgroup/cpu/docker/b/cpu.cfs_quota_us": "500000",
                        "sys/fs/cgroup/cpu/docker/b/cpu.cfs_period_us": "100000",
                        "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "100000",
                        "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
                        "sys/fs/cgroup/unified/init.scope/cpu.max": "max 100000",
                    ], 5
                ),
                // A container that sees the host's path, but only its own group below the mount.
                (
                    [
                        "proc/self/cgroup": "3:cpu:/docker/0123",
                        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
                        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                    ], 2
                ),
                (
                    [
                        "proc/self/cgroup": "3:cpu:/", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
                    ], nil
                ),
            ] as [([String: String], Int?)])
        func controlGroupsLimitCores(files: [String: String], expected: Int?) throws {
            let root = FileManager.default.temporaryDirectory
                .appending(path: "control-groups-\(UUID().uuidString)/")
            defer { try? FileManager.default.removeItem(at: root) }
            for (path, text) in files {
                let file = root.appending(path: path)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try (text + "\n").write(to: file, atomically: false, encoding: .utf8)
            }
            #expect(ControlGroups(root: root.path(percentEncoded: false)).wholeCores() == expected)
        }
    #endif
}
