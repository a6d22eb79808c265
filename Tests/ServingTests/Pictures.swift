// SPDX-License-Identifier: Apache-2.0
import Foundation
import Generation
import TestSupport
import TrimLLaVA

@testable import Serving

/// The names of the pictures that the golden models saw.
let pictureNames = ["landscape", "portrait", "small", "square", "wide"]

/// The bytes of a picture that the golden models saw.
func pictureFile(_ name: String) throws -> [UInt8] {
    try Fixture.bytes("models/pictures/\(name).png")
}

/// A picture as a data URL.
func dataURL(_ name: String) throws -> String { dataURL(try pictureFile(name)) }

/// Bytes as a data URL.
func dataURL(_ bytes: [UInt8], type: String = "image/png") -> String {
    "data:\(type);base64,\(Data(bytes).base64EncodedString())"
}

/// A document as text.
func text(of document: JSONValue) -> String { document.text }

/// A question about pictures as OpenAI's API has it: pictures first.
func question(_ text: String, _ addresses: [String]) -> JSONValue {
    let pictures = addresses.map { picturePart($0) }
    return ["role": "user", "content": .array(pictures + [textPart(text)])]
}

func textPart(_ text: String) -> JSONValue { ["type": "text", "text": .string(text)] }

func picturePart(_ address: String) -> JSONValue {
    ["type": "image_url", "image_url": ["url": .string(address)]]
}

/// A request for exactly some tokens, whatever they are.
func exactly(_ count: Int, _ messages: [JSONValue], _ more: JSONValue = [:]) -> JSONValue {
    let body: JSONValue = [
        "messages": .array(messages), "max_tokens": .integer(count), "ignore_eos": true,
    ]
    return body.merging(more)
}

/// Exactly this many tokens, whatever they are.
func exactly(_ count: Int) -> GenerationOptions {
    GenerationOptions(maxNewTokens: count, ignoresEndOfSequence: true)
}

extension JSONValue {
    /// The object with the fields of another one, which win.
    func merging(_ other: JSONValue) -> JSONValue {
        guard case .object(let mine) = self, case .object(let others) = other else { return other }
        return .object(mine.merging(others) { $1 })
    }

    /// The document as text.
    var text: String { String(decoding: line, as: UTF8.self) }
}

extension LLaVA {
    /// What `trimllava run` answers.
    func run(
        _ question: String, _ pictures: [String] = [], _ options: GenerationOptions
    ) throws -> Answer {
        try conversation().ask(
            question,
            pictures: pictures.map { try PictureDecoder.decode(pictureFile($0), name: $0) },
            options: options)
    }
}
