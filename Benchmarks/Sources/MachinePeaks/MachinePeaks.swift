// SPDX-License-Identifier: Apache-2.0
import CPeakLoops

/// The highest rates of a processor and its memory, measured with every benchmark.
///
/// Clock rates drift and other processes interfere, so a rate is meaningful only relative to a peak of the same
/// run.
public enum MachinePeaks {
    /// The peaks of `threads` threads together, each on its own core if possible.
    ///
    /// Measuring takes one or two seconds and a gigabyte of memory. Each peak is the best of many short runs.
    public static func measure(threads: Int) -> Peaks {
        precondition(threads > 0, "MachinePeaks: \(threads) threads, expected at least one")
        return Peaks(
            threads: threads,
            int8: rate(of: int8_peak_loop(), threads),
            fma: rate(of: float32_peak_loop(), threads),
            bf16: rate(of: bfloat16_peak_loop(), threads),
            streamingRead: StreamingBuffer(threads: threads).bestRate())
    }

    /// Giga-operations per second; nil if the processor lacks the instruction.
    private static func rate(of loop: peak_loop, _ threads: Int) -> InstructionPeak? {
        guard let name = loop.instruction, let run = loop.run else { return nil }
        // A run takes 0.3–1.5 ms at 2–4 GHz: longer than starting the threads, and shorter than a time
        // slice, so some runs are undisturbed.
        let iterations = 200_000
        let seconds = shortestSeconds(threads: threads, repetitions: 60) { _ in run(iterations) }
        let operations = loop.operations_per_iteration * Double(iterations * threads)
        return InstructionPeak(
            instruction: String(cString: name), gigaOperations: operations / seconds * 1e-9)
    }
}

/// The results of `MachinePeaks`.
public struct Peaks: Sendable {
    /// The number of threads; all rates are their sums.
    public let threads: Int

    /// Products of bytes summed in 32 bits: VNNI's dot product, or AVX2's nearest.
    public let int8: InstructionPeak?

    /// 32-bit floating-point fused multiply-add.
    public let fma: InstructionPeak?

    /// Products of 16-bit brain floats summed in 32 bits.
    public let bf16: InstructionPeak?

    /// Memory read in order, in GB/s (10⁹ bytes).
    public let streamingRead: Double
}

/// The peak rate of one instruction.
public struct InstructionPeak: Sendable {
    /// The instruction's name and width.
    public let instruction: String

    /// 10⁹ operations per second; a multiplication and an addition count as two.
    public let gigaOperations: Double
}
