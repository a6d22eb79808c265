// SPDX-License-Identifier: Apache-2.0
import GGUF
import TestSupport
import Testing

/// The error of opening these bytes as a file; nil if they open.
func refusal(_ bytes: [UInt8]) throws -> GGUFError? {
    let folder = try TemporaryFolder()
    return refusal(path: try folder.write(bytes, to: "hostile.gguf"))
}

/// The error of opening a path; nil if it opens.
func refusal(path: String) -> GGUFError? {
    do {
        _ = try GGUFFile(path: path)
        return nil
    } catch {
        return error
    }
}

/// Expects that the file is refused with a message that contains all parts.
func expectRefusal(
    _ writer: GGUFWriter, _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
) throws {
    try expectRefusal(writer.bytes(), parts, sourceLocation: sourceLocation)
}

/// Expects that the bytes are refused with a message that contains all parts.
func expectRefusal(
    _ bytes: [UInt8], _ parts: [String], sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let error = try #require(try refusal(bytes), "it opens", sourceLocation: sourceLocation)
    for part in ["hostile.gguf: "] + parts {
        #expect("\(error)".contains(part), "\(error)", sourceLocation: sourceLocation)
    }
}
