// SPDX-License-Identifier: Apache-2.0
import TrimLLaVA

extension ProcessorReport {
    /// The choices and their reasons, for a terminal.
    var text: String {
        let reason =
            requestedKernels == nil
            ? "the fastest available" : "chosen by TRIMLLAVA_KERNELS"
        let present = features.filter(\.isPresent).map(\.name)
        let missing = features.filter { !$0.isPresent }.map(\.name)
        return tableText(
            [
                ["kernels", kernels, reason],
                ["", "", "available: \(availableKernels.joined(separator: ", "))"],
                ["features", "\(present.count)", Self.list(present)],
                ["  missing", "\(missing.count)", Self.list(missing)],
                ["threads", "\(threads)", "physical cores allowed by affinity and quota"],
                [
                    "  affinity", "\(physicalCores)",
                    "physical cores, \(hardwareThreads) hardware threads",
                ],
                [
                    "  quota", quota.map { "\($0)" } ?? "none",
                    "whole cores allowed by the control groups",
                ],
            ], rightAligned: [])
    }

    /// One line of JSON.
    func json() throws -> String {
        try jsonOutput(fields)
    }

    /// The choices and their reasons, for a script.
    var fields: Fields { Fields(self) }

    private static func list(_ names: [String]) -> String {
        names.isEmpty ? "none" : names.joined(separator: ", ")
    }

    struct Fields: Encodable {
        let kernels: String
        let requestedKernels: String?
        let availableKernels: [String]
        let features: [String: Bool]
        let hardwareThreads: Int
        let physicalCores: Int
        let quota: Int?
        let threads: Int

        fileprivate init(_ report: ProcessorReport) {
            kernels = report.kernels
            requestedKernels = report.requestedKernels
            availableKernels = report.availableKernels
            features = Dictionary(
                uniqueKeysWithValues: report.features.map { ($0.name, $0.isPresent) })
            hardwareThreads = report.hardwareThreads
            physicalCores = report.physicalCores
            quota = report.quota
            threads = report.threads
        }
    }
}
