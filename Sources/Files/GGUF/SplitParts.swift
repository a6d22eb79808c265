// SPDX-License-Identifier: Apache-2.0

/// The most parts of a split file: their names have five digits.
private let largestPartCount = 99999

/// The parts after the first of a split file; empty for a file that is not split.
///
/// Parts are named `<prefix>-00001-of-00003.gguf` and lie in one folder. Each has its own header with
/// `split.no` (from 0), `split.count` and `split.tensors.count` (of all parts).
func remainingParts(of first: GGUFPart) throws(GGUFError) -> [GGUFPart] {
    guard let count = try first.metadata.integer("split.count"), count > 1 else { return [] }
    let prefix = try commonPrefix(first, count: count)
    var parts: [GGUFPart] = []
    for index in 1..<count {
        let part = try GGUFPart(path: prefix + partSuffix(index, of: count))
        try check(part, "split.no", equals: index)
        try check(part, "split.count", equals: count)
        parts.append(part)
    }
    let found = parts.reduce(first.tensors.count) { $0 + $1.tensors.count }
    try check(first, "split.tensors.count", equals: found)
    return parts
}

extension GGUFFile {
    /// The paths that the parts of a file have by its name, `<prefix>-00001-of-00003.gguf`, whether or not they exist.
    ///
    /// The path alone where the name is not that of a part.
    public static func partPaths(of path: String) -> [String] {
        guard let match = path.wholeMatch(of: /(.*)-[0-9]{5}-of-([0-9]{5})\.gguf/),
            let count = Int(match.2), count > 0
        else { return [path] }
        return (0..<count).map { String(match.1) + partSuffix($0, of: count) }
    }
}

/// What the names of all parts start with, found from the first part's.
private func commonPrefix(_ first: GGUFPart, count: Int) throws(GGUFError) -> String {
    let path = first.file.path
    guard count <= largestPartCount else {
        throw .split(
            file: path, problem: "split.count is \(count), expected at most \(largestPartCount)")
    }
    let index = try first.metadata.required("split.no", first.metadata.integer)
    guard (0..<count).contains(index) else {
        throw .split(file: path, problem: "split.no is \(index), expected 0 to \(count - 1)")
    }
    let suffix = partSuffix(index, of: count)
    guard path.hasSuffix(suffix) else {
        throw .split(
            file: path,
            problem: "is part \(index + 1) of \(count), but its name does not end in '\(suffix)'")
    }
    let prefix = String(path.dropLast(suffix.count))
    guard index == 0 else {
        throw .split(
            file: path,
            problem: "is part \(index + 1) of \(count); "
                + "open the first, '\(prefix + partSuffix(0, of: count))'")
    }
    return prefix
}

/// How the name of a part ends; `index` counts from 0, names count from 1.
private func partSuffix(_ index: Int, of count: Int) -> String {
    func fiveDigits(_ number: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: 5 - digits.count) + digits
    }
    return "-\(fiveDigits(index + 1))-of-\(fiveDigits(count)).gguf"
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
