// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing
import TrimLLaVA

@testable import TrimLLaVACommandLine

@Suite struct ProgressLineTests {
    @Test func saysWhatIsWaitedFor() {
        #expect(
            ProgressLine.text(.encoding(picture: 0, of: 1, done: 0.129))
                == "encoding the picture: 12 %")
        #expect(
            ProgressLine.text(.encoding(picture: 1, of: 3, done: 1))
                == "encoding picture 2 of 3: 100 %")
        #expect(ProgressLine.text(.reading(done: 0.5)) == "processing the prompt: 50 %")
        #expect(ProgressLine.text(.packing(done: 0.299)) == "repacking the weights: 29 %")
        #expect(ProgressLine.text(.storing(done: 1)) == "writing the repacked weights: 100 %")
    }

    @Test func waitsAsLongAsItIsTold() {
        var written = ""
        let line = ProgressLine(isEnabled: true, patience: .milliseconds(300)) { written += $0 }
        usleep(210_000)
        line.show(LoadProgress.packing(done: 0.1))
        #expect(written == "")
        usleep(100_000)
        line.show(LoadProgress.packing(done: 0.2))
        #expect(written == "\rrepacking the weights: 20 %\u{1B}[K")
    }

    @Test func showsOnlyWhatLastsAndTakesItAway() {
        var written = ""
        let line = ProgressLine(isEnabled: true) { written += $0 }
        line.show(.reading(done: 0.1))
        line.erase()
        #expect(written == "")
        usleep(210_000)
        line.show(.reading(done: 0.2))
        line.show(.reading(done: 0.3))
        #expect(written == "\rprocessing the prompt: 20 %\u{1B}[K")
        line.erase()
        line.erase()
        #expect(written == "\rprocessing the prompt: 20 %\u{1B}[K\r\u{1B}[K")
    }

    @Test func neverReachesTheLastColumn() {
        var written = ""
        let line = ProgressLine(isEnabled: true, patience: .zero, columns: { 11 }) { written += $0 }
        line.show("twelve chars")
        #expect(written == "\rtwelve cha\u{1B}[K")
    }

    @Test(arguments: [
        ("xterm-256color", true), ("dumb", false), ("", false), ("unknown", false), (nil, false),
    ])
    func escapesAreForTerminalsThatKnowThem(type: String?, takesEscapes: Bool) {
        #expect(Terminal.takesEscapes(isTerminal: true, type: type) == takesEscapes)
        #expect(!Terminal.takesEscapes(isTerminal: false, type: type))
    }

    @Test func isSilentWhereItIsNotWanted() {
        let line = ProgressLine(isEnabled: false) { Issue.record("\($0)") }
        usleep(210_000)
        line.show(.reading(done: 0.2))
        line.erase()
    }
}
