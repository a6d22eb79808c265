// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import SystemLimits

#if os(Linux)
    @Suite struct ControlGroupsTests {
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
            #expect(try inGroups(files) { $0.wholeCores() } == expected)
        }

        /// Limits of memory, and the bytes that they leave.
        @Test(
            arguments: [
                ([:], nil),
                (["proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/memory.max": "max"], nil),
                (
                    [
                        "proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/memory.max": "1000",
                        "sys/fs/cgroup/a/memory.current": "700",
                        "sys/fs/cgroup/a/memory.stat":
                            "anon 500\ninactive_file 150\nactive_file 20",
                    ], 470
                ),
                // The group around it has less, and more is taken than it has.
                (
                    [
                        "proc/self/cgroup": "0::/a/b", "sys/fs/cgroup/a/memory.max": "1000",
                        "sys/fs/cgroup/a/memory.current": "1100",
                        "sys/fs/cgroup/a/b/memory.max": "9000",
                        "sys/fs/cgroup/a/b/memory.current": "10",
                    ], 0
                ),
                // Swap counts as far as the group may use it.
                (
                    [
                        "proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "1000",
                        "sys/fs/cgroup/memory.current": "1000",
                        "sys/fs/cgroup/memory.swap.max": "max",
                        "proc/meminfo": "MemFree: 7 kB\nSwapFree:        2 kB",
                    ], 2048
                ),
                (
                    [
                        "proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "1000",
                        "sys/fs/cgroup/memory.current": "1000",
                        "sys/fs/cgroup/memory.swap.max": "300",
                        "sys/fs/cgroup/memory.swap.current": "100",
                        "proc/meminfo": "SwapFree: 2 kB",
                    ], 200
                ),
                (
                    [
                        "proc/self/cgroup": "4:memory:/c\n0::/",
                        "sys/fs/cgroup/memory/c/memory.limit_in_bytes": "5000",
                        "sys/fs/cgroup/memory/c/memory.usage_in_bytes": "4000",
                        "sys/fs/cgroup/memory/c/memory.stat":
                            "inactive_file 1\ntotal_inactive_file 250",
                        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                        "sys/fs/cgroup/memory/memory.usage_in_bytes": "100000",
                    ], 1250
                ),
            ] as [([String: String], Int?)])
        func controlGroupsLimitMemory(files: [String: String], expected: Int?) throws {
            #expect(try inGroups(files) { $0.freeMemory() } == expected)
        }

        /// Asks groups whose files are these.
        private func inGroups<Answer>(
            _ files: [String: String], _ ask: (ControlGroups) -> Answer
        ) throws -> Answer {
            let root = FileManager.default.temporaryDirectory
                .appending(path: "control-groups-\(UUID().uuidString)/")
            defer { try? FileManager.default.removeItem(at: root) }
            for (path, text) in files {
                let file = root.appending(path: path)
                try FileManager.default.createDirectory(
                    at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
                try (text + "\n").write(to: file, atomically: false, encoding: .utf8)
            }
            return ask(ControlGroups(root: root.path(percentEncoded: false)))
        }
    }
#endif
