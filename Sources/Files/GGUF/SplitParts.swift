// SPDX-License-Identifier: Apache-2.0

/// The parts after the first of a split file; empty for a file that is not split.
///
/// Parts are named `<prefix>-00001-of-00003.gguf` and lie in one folder. Each has its own header with
/// `split.no` (from 0), `split.count` and `split.tensors.count` (of all parts).
func remainingParts(of first: GGUFPart) throws(GGUFError) -> [GGUFPart] {
    let path = first.file.path
    guard let count = try first.metadata.integer("split.count"), count > 1 else { return [] }
    guard count <= SplitName.largestCount else {
        throw .split(
            file: path,
            problem: "split.count is \(count), expected at most \(SplitName.largestCount)")
    }
    let number = try first.metadata.required("split.no", first.metadata.integer)
    guard let name = SplitName(path: path, count: count) else {
        throw .split(
            file: path,
            problem: "is part \(number + 1) of \(count), but its name does not end in "
                + "'\(SplitName.suffix(number, of: count))'")
    }
    guard number == 0 else {
        throw .split(
            file: path,
            problem: "is part \(number + 1) of \(count); open the first part, '\(name.part(0))'")
    }
    var parts: [GGUFPart] = []
    for index in 1..<count {
        let part = try GGUFPart(path: name.part(index))
        try check(part, "split.no", equals: index)
        try check(part, "split.count", equals: count)
        parts.append(part)
    }
    let expected = try first.metadata.required("split.tensors.count", first.metadata.integer)
    let found = parts.reduce(first.tensors.count) { $0 + $1.tensors.count }
    guard found == expected else {
        throw .split(
            file: path,
            problem: "split.tensors.count is \(expected), but the \(count) parts hold \(found)")
    }
    return parts
}

private func check(
    _ part: GGUFPart, _ key: String, equals expected: Int
) throws(GGUFError) {
    let value = try part.metadata.required(key, part.metadata.integer)
    guard value == expected else {
        throw .split(
            file: part.file.path, problem: "\(key) is \(value), expected \(expected)")
    }
}

/// The names of the parts of one split file.
private struct SplitName {
    /// Five digits, `%05d`, number the parts.
    static let largestCount = 99999

    let prefix: String
    let count: Int

    /// The part names that `path` belongs to; nil unless it ends in `-#####-of-<count>.gguf`.
    init?(path: String, count: Int) {
        let suffixLength = SplitName.suffix(0, of: count).utf8.count
        let suffix = path.utf8.suffix(suffixLength)
        let digits = suffix.dropFirst().prefix(5)
        guard suffix.count == suffixLength, digits.allSatisfy({ (0x30...0x39).contains($0) }),
            let number = String(digits).flatMap({ Int($0) }),
            Array(suffix) == Array(SplitName.suffix(number - 1, of: count).utf8),
            let prefix = String(path.utf8.dropLast(suffixLength))
        else { return nil }
        self.prefix = prefix
        self.count = count
    }

    /// The path of part `index`, counted from 0.
    func part(_ index: Int) -> String { prefix + SplitName.suffix(index, of: count) }

    static func suffix(_ index: Int, of count: Int) -> String {
        "-\(fiveDigits(index + 1))-of-\(fiveDigits(count)).gguf"
    }

    private static func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    }
}
