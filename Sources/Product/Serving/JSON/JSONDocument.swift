// SPDX-License-Identifier: Apache-2.0
import Foundation

/// Reads the JSON documents that clients send, within bounds.
enum JSONDocument {
    /// The most values of a document; a value costs far more memory than the bytes it is written in.
    static let mostValues = 50_000
    /// The deepest nesting.
    static let mostDepth = 64

    /// The fields of a document that is an object.
    ///
    /// - Throws: `APIError` of status 400.
    static func fields(_ document: Data) throws(APIError) -> JSONFields {
        try checkBounds(document)
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: document)
        } catch {
            throw .invalid("the body is not valid JSON\(reason(error))")
        }
        guard case .object(let object) = value else {
            throw .invalid("the body is \(value.kind), expected a JSON object")
        }
        return JSONFields(object)
    }

    /// What the decoder says about the place, without the text that it is about.
    private static func reason(_ error: any Error) -> String {
        guard case DecodingError.dataCorrupted(let context) = error,
            let underlying = context.underlyingError as NSError?,
            let place = underlying.userInfo["NSJSONSerializationErrorIndex"] as? Int
        else { return "" }
        return ", at byte \(place)"
    }

    /// Counts values and nesting without reading them.
    private static func checkBounds(_ document: Data) throws(APIError) {
        var (values, depth, deepest) = (1, 0, 0)
        document.withUnsafeBytes { bytes in
            var (isText, isEscaped) = (false, false)
            for byte in bytes {
                if isText {
                    if isEscaped {
                        isEscaped = false
                    } else if byte == UInt8(ascii: "\\") {
                        isEscaped = true
                    } else if byte == UInt8(ascii: "\"") {
                        isText = false
                    }
                    continue
                }
                switch byte {
                case UInt8(ascii: "\""): isText = true
                case UInt8(ascii: ","), UInt8(ascii: ":"): values += 1
                case UInt8(ascii: "["), UInt8(ascii: "{"):
                    values += 1
                    depth += 1
                    deepest = max(deepest, depth)
                case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
                default: break
                }
            }
        }
        guard values <= mostValues else {
            throw .invalid("the body has more than \(mostValues) JSON values")
        }
        guard deepest <= mostDepth else {
            throw .invalid("the body is nested more than \(mostDepth) levels deep")
        }
    }
}
