// SPDX-License-Identifier: Apache-2.0
import TestSupport
import TrimLLaVA

extension LLaVA {
    /// A golden model.
    convenience init(golden name: String, options: LoadOptions = LoadOptions()) throws {
        try self.init(
            text: Fixture.path("models/\(name)/\(name)-f32.gguf"),
            projector: Fixture.path("models/\(name)/\(name)-mmproj-f32.gguf"), options: options)
    }

    /// A tiny model with a template of its own.
    static func llama3() throws -> LLaVA { try LLaVA(golden: "llava-1.5-gqa") }
}

/// A picture that the golden models saw.
func picture(_ name: String) throws -> Picture {
    try PictureDecoder.load(path: Fixture.path("models/pictures/\(name).png"))
}

/// Exactly this many tokens, whatever they are.
func exactly(_ count: Int) -> GenerationOptions {
    GenerationOptions(maxNewTokens: count, ignoresEndOfSequence: true)
}

/// The error of the library that `body` ends in, or nil.
func libraryError(_ body: () throws -> Void) throws -> LLaVAError? {
    do {
        try body()
        return nil
    } catch let error as LLaVAError {
        return error
    }
}
