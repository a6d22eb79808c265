// SPDX-License-Identifier: Apache-2.0
import Families
import Foundation
import TrimLLaVA

/// The memory that a run needs, as text and as JSON.
struct MemoryReport: Encodable {
    let weightBytes: Int
    let packedWeightBytes: Int
    let sequences: Int
    let cacheRowsPerSequence: Int
    let bytesPerCacheRow: Int
    let cacheBytes: Int
    let unprunedCacheBytes: Int
    let activationBytes: Int
    let pictureBytes: Int
    let programBytes: Int
    let totalBytes: Int

    init(_ estimate: MemoryEstimate) {
        weightBytes = estimate.weights.byteCount
        packedWeightBytes = estimate.weights.packedBytes
        sequences = estimate.sequences
        cacheRowsPerSequence = estimate.cacheRowsPerSequence
        bytesPerCacheRow = estimate.bytesPerCacheRow
        cacheBytes = estimate.cacheBytes
        unprunedCacheBytes = estimate.unprunedCacheBytes
        activationBytes = estimate.activationBytes
        pictureBytes = estimate.pictureBytes
        programBytes = estimate.programBytes
        totalBytes = estimate.totalBytes
    }

    func json() throws -> String {
        try jsonOutput(self)
    }

    private var weightText: String {
        let mapped = byteCountText(weightBytes - packedWeightBytes)
        return packedWeightBytes == 0
            ? "mapped from the files"
            : "\(byteCountText(packedWeightBytes)) repacked, \(mapped) mapped from the files"
    }

    /// Each part with its formula.
    var text: String {
        let rows = "\(sequences) × \(cacheRowsPerSequence) rows × \(bytesPerCacheRow) bytes"
        var table = [
            ["weights", byteCountText(weightBytes), weightText],
            ["KV cache", byteCountText(cacheBytes), rows],
        ]
        if unprunedCacheBytes != cacheBytes {
            table.append(
                [
                    "  unpruned", byteCountText(unprunedCacheBytes),
                    "without --keep",
                ])
        }
        table.append(
            ["activations", byteCountText(activationBytes), "the widest layer of the largest step"])
        if pictureBytes > 0 {
            table.append([
                "pictures", byteCountText(pictureBytes), "tiles and what is computed of them",
            ])
        }
        table += [
            ["program", byteCountText(programBytes), "with its tokenizer, as measured"],
            ["total", byteCountText(totalBytes), "with a full context and the largest picture"],
        ]
        return tableText(table, rightAligned: [1])
    }
}
