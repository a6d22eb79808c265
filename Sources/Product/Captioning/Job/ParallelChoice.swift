// SPDX-License-Identifier: Apache-2.0
import Generation
import TensorOps
import TrimLLaVA

/// How many captions are generated at the same time.
public enum ParallelChoice: Sendable, Equatable {
    /// The fastest number on this machine, as far as memory allows.
    case automatic
    /// A fixed number.
    case count(Int)

    /// Multiples of six, the rows of a tile in matrix products, and smaller numbers.
    static let candidates = [1, 2, 4, 6, 12, 18, 24]

    /// A rate this close to the best counts as equal, since fewer captions take less memory.
    ///
    /// On a shared machine the rates of one number vary more from run to run.
    static let tolerance = 0.06

    /// The steps measured for each number; the fastest counts.
    private static let measuredSteps = 3

    /// The rows of each measured sequence: a short prompt.
    private static let rows = 32

    /// Reads `auto` or a number from 1.
    public init?(parsing text: String) {
        if text == "auto" {
            self = .automatic
        } else if let count = Int(text), count >= 1 {
            self = .count(count)
        } else {
            return nil
        }
    }

    /// Chooses the number.
    ///
    /// `automatic` measures, if there are enough captions for it to matter.
    ///
    /// - Parameters:
    ///   - captions: captions to generate.
    ///   - rows: the most rows of the KV cache that one of them may take.
    /// - Throws: `CaptioningError.model`.
    func resolve(
        _ llava: LLaVA, captions: Int, rows: Int, memory: JobMemory, cancellation: Cancellation
    ) throws(CaptioningError) -> Int {
        switch self {
        case .count(let count): return max(1, min(count, captions))
        case .automatic:
            let limit = max(1, min(captions, memory.sequences(of: rows, llava)))
            // Below the rows of a tile, one more sequence always helps.
            guard limit > 6 else { return limit }
            let candidates = Self.candidates.filter { $0 <= limit }
            let seconds = try Self.stepSeconds(llava, candidates, cancellation)
            return Self.best(of: candidates, stepSeconds: seconds)
        }
    }

    /// The smallest number whose rate is within the tolerance of the best.
    static func best(of candidates: [Int], stepSeconds: [Double]) -> Int {
        let rates = zip(candidates, stepSeconds).map { Double($0) / $1 }
        let best = rates.max() ?? 0
        return zip(candidates, rates).first { $1 >= best * (1 - tolerance) }?.0 ?? 1
    }

    /// The seconds of a step with each number of sequences.
    private static func stepSeconds(
        _ llava: LLaVA, _ candidates: [Int], _ cancellation: Cancellation
    ) throws(CaptioningError) -> [Double] {
        let steps = (measuredSteps + 1) * candidates.count
        let most = candidates.last ?? 1
        let rows = min(rows, llava.model.context - steps)
        guard rows > 0 else { return candidates.map { _ in 1 } }
        let token = llava.tokenizer.beginOfSequence ?? 0
        do {
            let generator = try llava.batch(
                parallel: most, cacheRows: (most + 1) * (rows + steps + CachePageLayout.tokens))
            var seconds: [Double] = []
            for count in candidates {
                while generator.count < count {
                    try generator.start(
                        BatchGenerator.Request(
                            id: generator.count,
                            prompt: [.tokens(Array(repeating: token, count: rows))], pictures: [],
                            options: GenerationOptions(
                                maxNewTokens: steps, ignoresEndOfSequence: true)),
                        cancellation: cancellation)
                }
                // The first step processes the rest of the prompts.
                _ = try generator.step(cancellation: cancellation)
                var fastest = Double.infinity
                for _ in 0..<measuredSteps {
                    let start = ContinuousClock.now
                    _ = try generator.step(cancellation: cancellation)
                    fastest = min(fastest, (ContinuousClock.now - start) / .seconds(1))
                }
                seconds.append(fastest)
            }
            return seconds
        } catch let error as LLaVAError {
            throw .model(error)
        } catch let error as GenerationError {
            throw .model(.generation(error))
        } catch {
            preconditionFailure("an error of no known part: \(error)")
        }
    }
}
