// SPDX-License-Identifier: Apache-2.0
import MachinePeaks

/// Prints the machine's peaks for one thread and for `threads`.
func printPeaks(threads: Int) {
    let peaks = (threads > 1 ? [1, threads] : [1]).map(MachinePeaks.measure)
    func instruction(_ unit: String, _ peak: KeyPath<Peaks, InstructionPeak?>) -> [String] {
        let name = peaks.first?[keyPath: peak]?.instruction ?? "this processor has none"
        return ["\(unit), \(name)"]
            + peaks.map { $0[keyPath: peak].map { decimal($0.gigaOperations) } ?? "-" }
    }
    printTable([
        ["peak"] + peaks.map { $0.threads == 1 ? "1 thread" : "\($0.threads) threads" },
        instruction("int8 GOPS", \.int8),
        instruction("f32 GFLOPS", \.fma),
        instruction("bf16 GFLOPS", \.bf16),
        ["streaming read GB/s"] + peaks.map { decimal($0.streamingRead) },
    ])
}
