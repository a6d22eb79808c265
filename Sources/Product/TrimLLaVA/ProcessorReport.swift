// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import WorkerPool

/// Which kernels run on this processor, on how many threads, and why.
package struct ProcessorReport: Sendable {
    /// An instruction set that kernels are chosen by.
    package struct Feature: Sendable {
        /// Its name, as `/proc/cpuinfo` would write it without separators.
        package let name: String
        /// Whether the processor and the operating system have it.
        package let isPresent: Bool
    }

    /// The kernel table that a model gets.
    package let kernels: String
    /// What `TRIMLLAVA_KERNELS` asks for; nil where it is not set.
    package let requestedKernels: String?
    /// The tables that run here, fastest first.
    package let availableKernels: [String]
    /// The instruction sets that tables are chosen by.
    package let features: [Feature]
    /// Hardware threads that this process may run on.
    package let hardwareThreads: Int
    /// Physical cores that this process may run on.
    package let physicalCores: Int
    /// Whole cores that the control groups' quota leaves to it; nil without a quota.
    package let quota: Int?
    /// Threads that a model gets.
    package let threads: Int

    /// What holds for this process.
    ///
    /// - Throws: `LLaVAError` when `TRIMLLAVA_KERNELS` names a table that does not run here.
    package init() throws(LLaVAError) {
        requestedKernels = LLaVA.kernelsFromEnvironment
        do {
            kernels = try KernelTable.named(requestedKernels).name
        } catch {
            throw LLaVAError(error)
        }
        availableKernels = KernelTable.available.map(\.name)
        features = KernelTable.processorFeatures.map {
            Feature(name: $0.name, isPresent: $0.isPresent)
        }
        let limits = PhysicalCores.limits()
        hardwareThreads = limits.hardwareThreads
        physicalCores = limits.cores
        quota = limits.quota
        threads = PhysicalCores.count()
    }
}
