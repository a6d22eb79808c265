// SPDX-License-Identifier: Apache-2.0
import GGUF
import Generation
import Imaging
import Testing
import TokenPruning
import Tokenization
import TrimLLaVA
import Weights

@Suite struct LLaVAErrorTests {
    private struct Foreign: Error, CustomStringConvertible {
        let description = "the printer is on fire"
    }

    @Test func foreignErrorsKeepTheirWords() {
        let error = LLaVAError(Foreign())
        #expect(error == .other("the printer is on fire"))
        #expect("\(error)" == "the printer is on fire" && error.kind == .internal)
    }

    /// A picture's error is the same, whatever part of the library passes it on.
    @Test func picturesErrorsAreOne() {
        let error = ImagingError.empty(name: "a.png")
        #expect(LLaVAError(GenerationError.picture(error)) == .picture(error))
        #expect(LLaVAError(error) == .picture(error))
        #expect(LLaVAError(LLaVAError.picture(error)) == .picture(error))
    }

    @Test(
        arguments: [
            (GGUFError.unreadable(file: "a", reason: "b"), .badInput),
            (GGUFError.bigEndian(file: "a"), .unsupported),
            (ModelError.file(.unsupportedVersion(file: "a", version: 9)), .unsupported),
            (ModelError.contextOutOfRange(file: "a", context: 9, trained: 8), .badInput),
            (ModelError.cacheTooLarge(rows: 9, bytesPerRow: 9), .outOfMemory),
            (ModelError.cancelled, .cancelled),
            (TokenizationError.unknownTemplate(file: "a", choices: []), .badInput),
            (ImagingError.unsupported(name: "a", kind: "a GIF"), .unsupported),
            (ImagingError.tooLarge(name: "a", width: 9, height: 9), .tooLong),
            (ImagingError.noMemory(name: "a", byteCount: 9), .outOfMemory),
            (GenerationError.queueFull(limit: 9), .busy),
            (GenerationError.model(.noMemory(place: "a", byteCount: 9)), .outOfMemory),
            (
                GenerationError.promptTooLong(rows: 9, visualRows: 0, used: 0, context: 9),
                .tooLong
            ),
            (PruningError.noMemory(byteCount: 9), .outOfMemory),
        ] as [(any Error, LLaVAError.Kind)])
    func kindsSayWhatToDo(error: any Error, kind: LLaVAError.Kind) {
        #expect(LLaVAError(error).kind == kind)
    }
}
