// SPDX-License-Identifier: Apache-2.0
import TensorOps
import TestSupport
import Testing
import TokenPruning

#if os(Linux)
    /// Matrices of all candidates can be larger than memory: that is an error of the selection.
    @Suite struct SelectorMemoryTests {
        @Test func selectorsWithoutMemoryRefuse() async {
            let result = await #expect(
                processExitsWith: .success, observing: [\.standardErrorContent]
            ) {
                let count = 16384
                let rows = Activations([Float](repeating: 1, count: 8 * count), width: 8)
                let input = SelectionInput(
                    embeddings: rows, features: rows,
                    attention: [Float](repeating: 1, count: count),
                    text: rows.copy(rows: 0..<3), places: PruningCase.places(of: count))
                let ops = try makeOps()
                _ = try ops.gram(rows.copy(rows: 0..<10))
                try capAddressSpace(extraBytes: 256 << 20)
                let frugal = ["visionzip-select", "hiprune", "random", "uniform"]
                for selector in TokenSelectors.all() where !frugal.contains(selector.info.name) {
                    do {
                        _ = try selector.select(input, keep: count / 2, ops: ops)
                        fatalError("\(selector.info.name) did without memory")
                    } catch PruningError.noMemory(let byteCount) {
                        guard byteCount >= 256 << 20 else { fatalError("\(byteCount)") }
                    }
                }
                let uniform = try TokenSelectors.named("uniform")
                _ = try uniform.select(input, keep: 64, ops: ops)
            }
            guard let result else { return }
            let lastLines = String(
                decoding: result.standardErrorContent.suffix(1000), as: UTF8.self)
            #expect(result.exitStatus == .exitCode(0), "\(lastLines)")
        }
    }
#endif
