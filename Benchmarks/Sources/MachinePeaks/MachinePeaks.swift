// SPDX-License-Identifier: Apache-2.0
import CPeakLoops

/// The highest rates that a processor and its memory reach, to be measured beside any benchmark.
///
/// Clocks drift and neighbours interfere, so a rate means something only as a part of a peak of the
/// same run.
public enum MachinePeaks {
    /// The peaks of `threads` threads together, each thread on a core of its own if there is one.
    ///
    /// Takes a second or two, and a gigabyte of memory. Each is the best of many short runs.
    public static func measure(threads: Int) -> Peaks {
        precondition(threads > 0, "MachinePeaks: \(threads) threads, expected at least one")
        return Peaks(
            threads: threads,
            int8: rate(of: int8_peak_loop(), threads),
            fma: rate(of: float32_peak_loop(), threads),
            bf16: rate(of: bfloat16_peak_loop(), threads),
            streamingRead: StreamingBuffer(threads: threads).bestRate())
    }

    /// Giga-operations per second; `nil` where the processor lacks the instruction.
    private static func rate(of loop: peak_loop, _ threads: Int) -> InstructionPeak? {
        guard let name = loop.instruction, let run = loop.run else { return nil }
        // 0.3–1.5 ms per run at 2–4 GHz: longer than starting together takes, shorter than a time
        // slice, so that some runs pass undisturbed.
        let iterations = 200_000
        let seconds = shortestSeconds(threads: threads, repetitions: 60) { _ in run(iterations) }
        let operations = loop.operations_per_iteration * Double(iterations * threads)
        return InstructionPeak(
            instruction: String(cString: name), gigaOperations: operations / seconds * 1e-9)
    }
}

/// What `MachinePeaks` measured.
public struct Peaks: Sendable {
    /// Threads that ran at the same time; all rates are theirs together.
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
