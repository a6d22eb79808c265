// SPDX-License-Identifier: Apache-2.0
import Families
import GGUF
import Generation
import SystemLimits
import Weights

extension LoadOptions {
    /// Refuses a model that the process's control groups have too little memory for.
    ///
    /// The kernel would end the process while it works, without a message. Weights that may come from a cache are mapped, and
    /// do not count.
    ///
    /// - Throws: `ModelError.groupTooSmall`, and what is wrong with the files.
    func checkMemory(_ text: GGUFFile, _ projector: GGUFFile?) throws(ModelError) {
        guard let free = GroupMemory.shared.free else { return }
        let estimate = try MemoryEstimate(
            text: text, projector: projector, activationMode: activationMode,
            visionPrecision: visionPrecision, floatEncoding: floatEncoding, context: context,
            limits: visionLimits, keptTokens: nil, sequences: 1, format: cacheFormat,
            promptRowsPerBatch: BatchGenerator.promptRowsPerStep)
        let mapped = packCache == nil ? 0 : estimate.weights.packedBytes
        let needed = estimate.leastBytes - mapped + GroupMemory.reserve
        guard needed <= free else { throw .groupTooSmall(needed: needed, free: free) }
    }
}
