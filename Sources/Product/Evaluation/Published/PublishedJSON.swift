// SPDX-License-Identifier: Apache-2.0
import Foundation
import UserText

/// Reads JSON of a known layout; errors name the place in it.
enum PublishedJSON {
    /// The most bytes of a file; VQAv2's annotations have some hundred million.
    private static let limit = 2 << 30

    /// The value of a file.
    static func value<Value: Decodable>(
        _ type: Value.Type, at path: String
    ) throws(EvaluationError) -> Value {
        let bytes: [UInt8]
        do {
            bytes = try UserText.bytes(at: path.utf8, limit: limit)
        } catch {
            throw .text(error)
        }
        return try decoded(type, Data(bytes), path, place: "")
    }

    /// The values of a file with one in each line, with the numbers of the lines.
    static func lines<Value: Decodable>(
        _ type: Value.Type, at path: String
    ) throws(EvaluationError) -> [(line: Int, value: Value)] {
        let text: String
        do {
            text = try UserText.text(at: path.utf8, limit: UserText.listLimit)
        } catch {
            throw .text(error)
        }
        var values: [(line: Int, value: Value)] = []
        for (index, line) in UserText.lines(of: text).enumerated()
        where !line.allSatisfy(\.isWhitespace) {
            let value = try decoded(type, Data(line.utf8), path, place: "line \(index + 1)")
            values.append((index + 1, value))
        }
        return values
    }

    private static func decoded<Value: Decodable>(
        _ type: Value.Type, _ data: Data, _ path: String, place: String
    ) throws(EvaluationError) -> Value {
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw refusal(error, path, place)
        } catch {
            throw .notJSON(path: path, reason: "\(error)")
        }
    }

    private static func refusal(
        _ error: DecodingError, _ path: String, _ place: String
    ) -> EvaluationError {
        func bad(_ context: DecodingError.Context, _ expected: String) -> EvaluationError {
            let inside = written(context.codingPath)
            let places = [place, inside].filter { !$0.isEmpty }
            return .badEntry(path: path, place: places.joined(separator: ", "), expected: expected)
        }
        switch error {
        case .typeMismatch(let type, let context), .valueNotFound(let type, let context):
            return bad(context, name(of: type))
        case .keyNotFound(let key, let context):
            return bad(context, "an object with \"\(key.stringValue)\"")
        case .dataCorrupted(let context):
            guard context.codingPath.isEmpty else {
                return bad(context, context.debugDescription)
            }
            let reason = (context.underlyingError as NSError?)?.userInfo[NSDebugDescriptionErrorKey]
            let text = (reason as? String) ?? context.debugDescription
            return .notJSON(path: path, reason: place.isEmpty ? text : "\(place): \(text)")
        @unknown default:
            return .notJSON(path: path, reason: "\(error)")
        }
    }

    /// A path such as `data[3].answers`.
    private static func written(_ path: [any CodingKey]) -> String {
        path.reduce("") { text, key in
            // A key of an object may be a number too; the names of indices are not.
            if let index = key.intValue, key.stringValue != "\(index)" {
                return "\(text)[\(index)]"
            }
            return text.isEmpty ? key.stringValue : "\(text).\(key.stringValue)"
        }
    }

    private static func name(of type: any Any.Type) -> String {
        switch type {
        case is Label.Type: "a text or a whole number"
        case is String.Type: "a text"
        case is any FixedWidthInteger.Type: "a whole number"
        default:
            "\(type)".hasPrefix("Array") ? "a list" : "an object"
        }
    }
}

/// A text that some publishers write as a number.
struct Label: Decodable, Hashable {
    let text: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self) {
            self.text = text
        } else if let number = try? container.decode(Int.self) {
            text = "\(number)"
        } else if let number = try? container.decode(Double.self) {
            text = "\(number)"
        } else {
            throw DecodingError.typeMismatch(
                Label.self,
                DecodingError.Context(codingPath: decoder.codingPath, debugDescription: ""))
        }
    }
}
