// SPDX-License-Identifier: Apache-2.0
import GGUF

/// A model's numbers in the metadata, with the bounds that no such model exceeds.
///
/// The bounds keep a damaged file from asking for absurd amounts of memory.
package struct Hyperparameters {
    package let metadata: GGUFMetadata
    /// What the keys start with: the architecture's name, or `clip.vision`.
    package let prefix: String

    package init(metadata: GGUFMetadata, prefix: String) {
        (self.metadata, self.prefix) = (metadata, prefix)
    }

    /// A required count.
    package func count(_ key: String, upTo limit: Int) throws(ModelError) -> Int {
        guard let value = try count(ifPresent: key, upTo: limit) else {
            throw invalid(key, "missing", "a number from 1 to \(limit)")
        }
        return value
    }

    /// A count, or nil where the file has no such key.
    package func count(ifPresent key: String, upTo limit: Int) throws(ModelError) -> Int? {
        guard let value = try integer(ifPresent: key) else { return nil }
        guard (1...limit).contains(value) else {
            throw invalid(key, "\(value)", "a number from 1 to \(limit)")
        }
        return value
    }

    /// An integer of any sign, or nil where the file has no such key.
    package func integer(ifPresent key: String) throws(ModelError) -> Int? {
        try read { () throws(GGUFError) in try metadata.integer(full(key)) }
    }

    /// A number of any sign, or nil where the file has no such key.
    package func number(ifPresent key: String) throws(ModelError) -> Float? {
        try read { () throws(GGUFError) in try metadata.float(full(key)) }
    }

    /// A finite positive number, or nil where the file has no such key.
    package func positive(ifPresent key: String) throws(ModelError) -> Float? {
        guard let value = try number(ifPresent: key) else { return nil }
        guard value > 0, value.isFinite else {
            throw invalid(key, "\(value)", "a positive number")
        }
        return value
    }

    /// A text, or nil where the file has no such key.
    package func string(ifPresent key: String) throws(ModelError) -> String? {
        try read { () throws(GGUFError) in try metadata.string(full(key)) }
    }

    /// A truth value, or nil where the file has no such key.
    package func bool(ifPresent key: String) throws(ModelError) -> Bool? {
        try read { () throws(GGUFError) in try metadata.bool(full(key)) }
    }

    /// Truth values, or nil where the file has no such key.
    package func bools(ifPresent key: String) throws(ModelError) -> [Bool]? {
        try read { () throws(GGUFError) in try metadata.bools(full(key)) }
    }

    /// Integers, or nil where the file has no such key.
    package func integers(ifPresent key: String) throws(ModelError) -> [Int]? {
        try read { () throws(GGUFError) in try metadata.integers(full(key)) }
    }

    /// Numbers, or nil where the file has no such key.
    package func floats(ifPresent key: String) throws(ModelError) -> [Float]? {
        try read { () throws(GGUFError) in try metadata.floats(full(key)) }
    }

    /// Checks that a file's general metadata does not declare something other than a model.
    package func checkIsModel() throws(ModelError) {
        let key = "type"
        guard let type = try string(ifPresent: key), ["adapter", "imatrix"].contains(type) else {
            return
        }
        throw unsupported(key, type, supported: "model, mmproj")
    }

    package func invalid(_ key: String, _ value: String, _ expected: String) -> ModelError {
        .invalidValue(
            file: metadata.fileName, key: full(key), value: value, expected: expected)
    }

    package func unsupported(_ key: String, _ value: String, supported: String) -> ModelError {
        .unsupported(
            file: metadata.fileName, key: full(key), value: value, supported: supported)
    }

    private func full(_ key: String) -> String { "\(prefix).\(key)" }

    private func read<Value>(_ body: () throws(GGUFError) -> Value) throws(ModelError) -> Value {
        do { return try body() } catch { throw .file(error) }
    }
}
