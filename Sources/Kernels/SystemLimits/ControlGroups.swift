// SPDX-License-Identifier: Apache-2.0
#if os(Linux)
    /// What control groups (version 2 and 1) leave to this process.
    package struct ControlGroups {
        /// `/`, or a test's folder with files like the kernel's.
        let root: String

        /// The groups below a folder that has `proc` and `sys`.
        package init(root: String) { self.root = root }

        /// Whole cores that a process may use all of the time; `nil` without a limit.
        ///
        /// The smallest quota of the process's group and all groups around it. A fraction is
        /// rounded down. With one thread more, the kernel would stop a thread in the middle of a
        /// job for part of every period, and the others would spend their quota waiting for it.
        package func wholeCores() -> Int? {
            quotas().min().map { max(1, Int($0)) }
        }

        /// The quotas of all groups that the process is in, in cores.
        private func quotas() -> [Double] {
            limits(by: "cpu", version2: quotaOfVersion2, version1: quotaOfVersion1)
        }

        /// What all groups that the process is in say.
        ///
        /// - Parameters:
        ///   - controller: what limits in version 1, where it has a hierarchy of its own.
        ///   - version2: what a group's folder of version 2 says; nil for no limit.
        ///   - version1: the same of version 1.
        func limits<Limit>(
            by controller: String, version2: (String) -> Limit?, version1: (String) -> Limit?
        ) -> [Limit] {
            lines(root + "proc/self/cgroup").flatMap { line -> [Limit] in
                // hierarchy:controllers:path, version 2 has no controllers
                let fields = line.split(
                    separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                guard fields.count == 3 else { return [] }
                let groups = ancestors(of: fields[2])
                if fields[1].isEmpty {
                    return ["sys/fs/cgroup", "sys/fs/cgroup/unified"].flatMap { mount in
                        groups.compactMap { version2(root + mount + $0) }
                    }
                }
                guard fields[1].split(separator: ",").contains(Substring(controller)) else {
                    return []
                }
                return groups.compactMap { version1(root + "sys/fs/cgroup/\(controller)" + $0) }
            }
        }

        /// `/a/b/`, `/a/`, `/`: a group and all groups around it.
        ///
        /// Inside a container the path can be the host's, which does not exist below the mount; its
        /// last ancestor is then the container's own group.
        private func ancestors(of path: Substring) -> [String] {
            let names = path.split(separator: "/")
            return (0...names.count).reversed().map { depth in
                "/" + names.prefix(depth).map { $0 + "/" }.joined()
            }
        }

        /// `cpu.max` holds quota and period in microseconds, or `max` for no quota.
        private func quotaOfVersion2(_ group: String) -> Double? {
            let fields = lines(group + "cpu.max").first?.split(separator: " ") ?? []
            guard fields.count == 2 else { return nil }
            return cores(quota: fields[0], period: fields[1])
        }

        /// A quota of -1 means no quota.
        private func quotaOfVersion1(_ group: String) -> Double? {
            guard let quota = lines(group + "cpu.cfs_quota_us").first,
                let period = lines(group + "cpu.cfs_period_us").first
            else { return nil }
            return cores(quota: quota, period: period)
        }

        private func cores(quota: some StringProtocol, period: some StringProtocol) -> Double? {
            guard let quota = Double(quota), let period = Double(period), quota > 0, period > 0
            else { return nil }
            return quota / period
        }
    }
#endif
