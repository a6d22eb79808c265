// SPDX-License-Identifier: Apache-2.0

/// The fields of an object, read by name; errors say where they are.
///
/// A field that is null counts as one that is not there.
struct JSONFields: Sendable {
    private let object: [String: JSONValue]
    /// The place of the object in the body; empty for the body itself.
    let path: String

    init(_ object: [String: JSONValue], path: String = "") {
        self.object = object
        self.path = path
    }

    /// The place of a field in the body.
    func place(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

    /// Whether there is a field, even if it is null.
    func has(_ name: String) -> Bool { object[name] != nil }

    subscript(name: String) -> JSONValue? {
        guard let value = object[name], value != .null else { return nil }
        return value
    }

    /// The names of all fields.
    var names: some Collection<String> { object.keys }

    func string(_ name: String) throws(APIError) -> String? {
        guard let value = self[name] else { return nil }
        guard case .string(let text) = value else { throw wrong(name, value, "a string") }
        return text
    }

    func bool(_ name: String) throws(APIError) -> Bool? {
        guard let value = self[name] else { return nil }
        guard case .bool(let flag) = value else { throw wrong(name, value, "true or false") }
        return flag
    }

    /// A whole number; also one that is written as 8.0.
    func integer(_ name: String) throws(APIError) -> Int? {
        guard let value = self[name] else { return nil }
        if case .integer(let integer) = value { return integer }
        if case .number(let number) = value, let integer = Int(exactly: number) { return integer }
        throw wrong(name, value, "a whole number")
    }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let integer = try integer(name) else { return nil }
        guard range.contains(integer) else {
            let expected =
                range.upperBound == .max
                ? "\(range.lowerBound) or more" : "\(range.lowerBound) to \(range.upperBound)"
            throw .invalid(
                "\(place(name)) is \(integer), expected \(expected)", param: place(name))
        }
        return integer
    }

    func number(_ name: String) throws(APIError) -> Double? {
        guard let value = self[name] else { return nil }
        switch value {
        case .integer(let integer): return Double(integer)
        case .number(let number): return number
        default: throw wrong(name, value, "a number")
        }
    }

    func array(_ name: String) throws(APIError) -> [JSONValue]? {
        guard let value = self[name] else { return nil }
        guard case .array(let values) = value else { throw wrong(name, value, "an array") }
        return values
    }

    func fields(_ name: String) throws(APIError) -> JSONFields? {
        guard let value = self[name] else { return nil }
        return try Self.fields(of: value, at: place(name))
    }

    /// The fields of a value that must be an object.
    static func fields(of value: JSONValue, at path: String) throws(APIError) -> JSONFields {
        guard case .object(let object) = value else {
            throw .invalid("\(path) is \(value.kind), expected an object", param: path)
        }
        return JSONFields(object, path: path)
    }

    /// The texts of a string, or of an array of strings.
    func strings(_ name: String) throws(APIError) -> [String]? {
        guard let value = self[name] else { return nil }
        switch value {
        case .string(let text): return [text]
        case .array(let values):
            var texts: [String] = []
            for (index, value) in values.enumerated() {
                guard case .string(let text) = value else {
                    throw wrong("\(name)[\(index)]", value, "a string")
                }
                texts.append(text)
            }
            return texts
        default: throw wrong(name, value, "a string or an array of strings")
        }
    }

    /// The error of a field with a value of another kind.
    func wrong(_ name: String, _ value: JSONValue, _ expected: String) -> APIError {
        .invalid("\(place(name)) is \(value.kind), expected \(expected)", param: place(name))
    }
}
