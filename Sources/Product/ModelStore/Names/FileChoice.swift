// SPDX-License-Identifier: Apache-2.0

/// A file of a repository.
public struct RepositoryFile: Sendable, Equatable {
    /// Its path in the repository.
    public let path: String
    /// Its bytes, where the listing has them.
    public let size: Int?
}

/// The files of a repository that make a model.
struct FileChoice: Sendable, Equatable {
    /// The text model; more than one file if it is split.
    let text: [RepositoryFile]
    /// The vision tower; nil if the repository has none.
    var projector: RepositoryFile?

    /// All files, the vision tower first: it is small, so that what is wrong with a download shows soon.
    var all: [RepositoryFile] { (projector.map { [$0] } ?? []) + text }

    /// Chooses among a repository's files.
    ///
    /// Without a quantisation the text model is the table's default, or else Q4_K_M, Q4_0 or the first one. The
    /// vision tower is the one whose name agrees with the text model's for most letters; among several, the one in the
    /// text model's own quantisation if that is no mixture, or else in F16.
    ///
    /// - Throws: `ModelStoreError.noQuantisation` or `.noTextModel`.
    init(_ model: HubModel, among files: [RepositoryFile]) throws(ModelStoreError) {
        let text = try Self.text(model, TextCandidate.all(in: files))
        self.text = text.parts
        projector =
            files.first { $0.path == model.known?.projector }
            ?? Self.projector(beside: text.parts[0].path, files)
    }

    private static func text(
        _ model: HubModel, _ candidates: [TextCandidate]
    ) throws(ModelStoreError) -> TextCandidate {
        let ranked = candidates.enumerated().min {
            ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset)
        }
        guard let usual = ranked?.element else {
            throw .noTextModel(place: "\(model.repository)")
        }
        guard let wanted = model.quantisation.map({ Quantisation($0) }) else {
            return candidates.first { $0.parts[0].path == model.known?.files[0].path } ?? usual
        }
        let listed = model.known?.files.first {
            Quantisation($0.quantisation).full == wanted.full
        }
        let found =
            candidates.first { $0.parts[0].path == listed?.path }
            ?? candidates.first { $0.quantisation == wanted }
            ?? candidates.first { $0.quantisation?.full == wanted.full }
        guard let found else {
            throw .noQuantisation(
                repository: "\(model.repository)", wanted: wanted.label,
                available: candidates.map { $0.quantisation?.label ?? $0.parts[0].path })
        }
        return found
    }

    private static func projector(
        beside text: String, _ files: [RepositoryFile]
    ) -> RepositoryFile? {
        let (letters, quantisation) = (Self.letters(of: text), Quantisation(inPath: text))
        return files.enumerated().filter { isProjector($0.element.path) }.min { left, right in
            func order(_ entry: (offset: Int, element: RepositoryFile)) -> (Int, Int, Int) {
                let own = Self.letters(of: entry.element.path)
                let shared = zip(letters, own).prefix { $0 == $1 }.count
                let rank = projectorRank(Quantisation(inPath: entry.element.path), quantisation)
                return (-shared, rank, entry.offset)
            }
            return order(left) < order(right)
        }?.element
    }

    /// Letters and digits of a file's name, without what all vision towers are called and without its quantisation.
    private static func letters(of path: String) -> [Unicode.Scalar] {
        let name = path.split(separator: "/").last ?? ""
        let plain = ["mmproj", "model"].reduce(Quantisation.removed(from: name.lowercased())) {
            $0.replacing($1, with: "")
        }
        return plain.unicodeScalars.filter(\.isAlphanumeric)
    }

    /// What is chosen among vision towers of one name, the least first.
    private static func projectorRank(_ own: Quantisation?, _ text: Quantisation?) -> Int {
        switch own?.label {
        case "F16", "BF16", "F32", "Q8_0": if own == text { return 0 }
        default: break
        }
        return switch own?.label {
        case "F16": 1
        case "BF16": 2
        case nil: 3
        case "F32": 4
        case "Q8_0": 5
        default: 6
        }
    }

    /// Whether a file has a vision tower, by its name.
    static func isProjector(_ path: String) -> Bool {
        let path = path.lowercased()
        return path.hasSuffix(".gguf")
            && ["mmproj", "clip-model"].contains { path.contains($0) }
    }
}

/// A text model of a repository.
struct TextCandidate: Sendable, Equatable {
    /// One file, or all parts of a split one in their order.
    let parts: [RepositoryFile]
    /// By the file's name; nil if it names none.
    let quantisation: Quantisation?

    /// The sum of the parts' sizes, where all are known.
    var size: Int? {
        parts.reduce(0) { sum, part in part.size.flatMap { size in sum.map { $0 + size } } }
    }

    /// What is chosen where nothing is asked for, the least first.
    var rank: Int {
        guard let quantisation else { return 4 }
        if quantisation.isFloat { return 5 }
        return ["Q4_K_M", "Q4_0", "INT4"].firstIndex(of: quantisation.full) ?? 3
    }

    /// The text models among files, in their order; split ones only if all parts are there.
    static func all(in files: [RepositoryFile]) -> [TextCandidate] {
        let models = files.filter { file in
            let path = file.path.lowercased()
            return path.hasSuffix(".gguf") && !path.contains("imatrix")
                && !FileChoice.isProjector(file.path)
        }
        return models.compactMap { file in
            guard let part = SplitName(file.path) else {
                return TextCandidate(parts: [file])
            }
            guard part.number == 1 else { return nil }
            let parts = (1...part.count).compactMap { number in
                models.first { $0.path == part.name(of: number) }
            }
            return parts.count == part.count ? TextCandidate(parts: parts) : nil
        }
    }

    private init(parts: [RepositoryFile]) {
        self.parts = parts
        quantisation = Quantisation(inPath: parts[0].path)
    }
}

/// The name of one part of a split file, such as `model-00001-of-00003.gguf`.
private struct SplitName {
    let stem: String
    let number: Int
    let count: Int

    /// The most parts that a file is split into.
    private static let mostParts = 1000

    init?(_ path: String) {
        guard let match = path.wholeMatch(of: /(.*)-([0-9]{5})-of-([0-9]{5})\.gguf/),
            let number = Int(match.2), let count = Int(match.3),
            (1...Self.mostParts).contains(count), (1...count).contains(number)
        else { return nil }
        (stem, self.number, self.count) = (String(match.1), number, count)
    }

    func name(of number: Int) -> String {
        func digits(_ number: Int) -> String {
            String(repeating: "0", count: 5 - "\(number)".count) + "\(number)"
        }
        return "\(stem)-\(digits(number))-of-\(digits(count)).gguf"
    }
}
