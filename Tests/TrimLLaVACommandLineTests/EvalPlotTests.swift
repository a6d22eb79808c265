// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import TrimLLaVACommandLine

@Suite struct EvalPlotTests {
    @Test(
        arguments: [(1, 0.1), (11, 2), (22, 5), (80.9, 10), (100, 10), (2000, 200)]
            as [(Double, Double)])
    func axesHaveRoundSteps(end: Double, step: Double) {
        #expect(abs(EvalPlot.step(to: end) - step) < 1e-9)
    }

    @Test func axesHaveFiveToElevenLines() {
        for tenths in 10...25_000 {
            let end = Double(tenths) / 10
            #expect((4..<11).contains(end / EvalPlot.step(to: end)))
        }
    }
}
