// SPDX-License-Identifier: Apache-2.0
import Families
import TensorOps
import Tokenization
import Weights

extension BatchGenerator {
    /// The steps measured for each number of answers; the fastest counts.
    private static let measuredSteps = 3
    /// Rows of each measured prompt: a few, which take little time to read.
    private static let measuredRows = 4

    /// Measures how long a decoding step takes with each of some numbers of answers.
    ///
    /// - Parameter counts: numbers of answers on their way, ascending.
    /// - Throws: `GenerationError`, also when the system refuses the memory for that many.
    public static func stepSeconds(
        of counts: [Int], model: LLaVAModel, tokenizer: Tokenizer, cacheFormat: CacheFormat,
        cancellation: Cancellation
    ) throws(GenerationError) -> [Double] {
        let steps = (measuredSteps + 1) * counts.count
        let rows = min(measuredRows, model.context - steps)
        guard rows > 0, let most = counts.last else { return counts.map { _ in 1 } }
        let generator = try BatchGenerator(
            model: model, tokenizer: tokenizer, cacheFormat: cacheFormat, parallel: most,
            cacheRows: (most + 1) * (rows + steps + CachePageLayout.tokens))
        let token = tokenizer.beginOfSequence ?? 0
        var seconds: [Double] = []
        for count in counts {
            while generator.count < count {
                try generator.start(
                    Request(
                        id: generator.count,
                        prompt: [.tokens(Array(repeating: token, count: rows))], pictures: [],
                        options: GenerationOptions(maxNewTokens: steps, ignoresEndOfSequence: true)),
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
    }
}
