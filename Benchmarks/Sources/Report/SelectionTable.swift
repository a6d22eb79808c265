// SPDX-License-Identifier: Apache-2.0
import KernelInterface
import Kernels
import TensorOps
import TokenPruning
import WorkerPool

/// Prints the time of each selector and of each merging for a picture of LLaVA-1.5-7B and for one of LLaVA-NeXT, and that
/// of the matrix of all cosines.
func printSelections(threads: Int) {
    let ops = TensorOps(
        kernels: KernelTable.available[0], pool: WorkerPool(threadCount: threads),
        activationMode: .pow2)
    let sizes = [(tokens: 576, keep: 64), (tokens: 2304, keep: 256)]
    let inputs = sizes.map { SelectionInput(randomTokens: $0.tokens) }
    var rows = [["milliseconds"] + sizes.map { "\($0.keep) of \($0.tokens)" }]
    for selector in TokenSelectors.all() {
        rows.append(
            [selector.info.name]
                + zip(sizes, inputs).map { size, input in
                    milliseconds { _ = try? selector.select(input, keep: size.keep, ops: ops) }
                })
    }
    for merging in TokenMerging.allCases {
        rows.append(
            ["merging \(merging)"]
                + zip(sizes, inputs).map { size, input in
                    let kept = (0..<size.keep).map { $0 * size.tokens / size.keep }
                    return milliseconds {
                        _ = try? merging.merged(
                            input.embeddings, kept: kept, attention: input.attention, ops: ops)
                    }
                })
    }
    rows.append(
        ["all cosines"]
            + inputs.map { input in milliseconds { _ = try? ops.gram(input.embeddings) } })
    printTable(rows)
}

/// The fastest of some runs.
private func milliseconds(_ body: () -> Void) -> String {
    let seconds = (0..<5).map { _ in ContinuousClock().measure(body) / .seconds(1) }
    return decimal((seconds.min() ?? 0) * 1e3)
}

extension SelectionInput {
    /// Tokens with the widths of LLaVA-1.5-7B that share a third of their length.
    fileprivate init(randomTokens count: Int) {
        var random = SplitMix64(seed: 1)
        func rows(_ count: Int, width: Int) -> Activations {
            let common = (0..<width).map { _ in Float.random(in: -1...1, using: &random) / 3 }
            return Activations(
                (0..<count).flatMap { _ in
                    common.map { $0 + Float.random(in: -1...1, using: &random) }
                }, width: width)
        }
        func attention() -> [Float] {
            (0..<count).map { _ in Float.random(in: 0...1, using: &random) }
        }
        self.init(
            embeddings: rows(count, width: 4096), features: rows(count, width: 1024),
            attention: attention(),
            receivedAttention: ReceivedAttention(middle: attention(), last: attention()),
            text: rows(12, width: 4096),
            places: (0..<count).map {
                TokenPlace(tile: $0 / 576, row: $0 % 576 / 24, column: $0 % 24)
            })
    }
}
