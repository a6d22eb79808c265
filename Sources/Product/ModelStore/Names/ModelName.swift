// SPDX-License-Identifier: Apache-2.0
import FileOutput

/// What users call a model, instead of naming its files.
public enum ModelName: Sendable, Equatable {
    /// A pair in a repository of the Hub: `hf:OWNER/REPO[:QUANT]`, `OWNER/REPO[:QUANT]`, or a short name with
    /// `:QUANT` or without.
    case hub(HubModel)
    /// A model in ollama's own store: `ollama:NAME[:TAG]`.
    case ollama(OllamaModel)

    private static let hubPrefix = "hf:"
    private static let ollamaPrefix = "ollama:"

    /// Reads what was given for a model; nil if it is the path of a file.
    ///
    /// A file that exists is always a path, and so is what looks like one: it begins with `/`, `.` or `~`, ends in
    /// `.gguf`, or lies below a folder that exists.
    ///
    /// - Throws: `ModelStoreError.badName` or `.unknownName`.
    public init?(_ text: String) throws(ModelStoreError) {
        if text.hasPrefix(Self.hubPrefix) {
            self = .hub(try HubModel(text, after: Self.hubPrefix))
        } else if text.hasPrefix(Self.ollamaPrefix) {
            self = .ollama(try OllamaModel(text.dropFirst(Self.ollamaPrefix.count)))
        } else if Self.isPath(text) {
            return nil
        } else if let known = KnownModel.named(text.prefix { $0 != ":" }) {
            self = .hub(try HubModel(text, of: known))
        } else if text.contains("/") {
            guard let model = try? HubModel(text, after: "") else { return nil }
            self = .hub(model)
        } else {
            throw .unknownName(name: text, known: KnownModel.all.map(\.name))
        }
    }

    private static func isPath(_ text: String) -> Bool {
        if text.isEmpty || text.contains("\0") || FileStatus(FilePath(text)) != nil { return true }
        if ["/", ".", "~"].contains(where: text.hasPrefix) { return true }
        if text.lowercased().hasSuffix(".gguf") { return true }
        guard let slash = text.firstIndex(of: "/") else { return false }
        return FileStatus(FilePath(String(text[..<slash]))) != nil
    }
}

extension ModelName {
    /// The same model in some quantisation.
    ///
    /// - Throws: `ModelStoreError.badName` if the name says another one, or is ollama's, whose tags say it.
    public func quantised(_ quantisation: String) throws(ModelStoreError) -> ModelName {
        guard case .hub(var model) = self else {
            throw .badName(name: "\(self)", expected: "a tag instead of a quantization")
        }
        guard model.quantisation == nil || model.quantisation == quantisation else {
            throw .badName(name: "\(self)", expected: "no other quantization than \(quantisation)")
        }
        model.quantisation = quantisation
        return .hub(model)
    }
}

extension ModelName: CustomStringConvertible {
    /// The name as it can be given again.
    public var description: String {
        switch self {
        case .hub(let model): model.description
        case .ollama(let model): "\(Self.ollamaPrefix)\(model)"
        }
    }
}

/// A pair of files in a repository of the Hub.
public struct HubModel: Sendable, Equatable {
    /// Where the files are.
    public let repository: HubRepository
    /// The quantisation that was asked for, such as `Q4_K_M`; nil for the usual one.
    public var quantisation: String?
    /// The row of the table that the name stands for; nil for a repository that the user named.
    public let known: KnownModel?

    /// The model that a row of the table describes.
    init(_ known: KnownModel, quantisation: String? = nil) {
        (repository, self.known, self.quantisation) = (known.repository, known, quantisation)
    }

    /// A repository's model.
    init(_ repository: HubRepository, quantisation: String? = nil) {
        self.repository = repository
        self.quantisation = quantisation
        known = nil
    }

    fileprivate init(_ text: String, of known: KnownModel) throws(ModelStoreError) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let quantisation = parts.count == 2 ? String(parts[1]) : nil
        guard quantisation?.isEmpty != true else {
            throw .badName(name: text, expected: "\(known.name) or \(known.name):QUANT")
        }
        self.init(known, quantisation: quantisation)
    }

    fileprivate init(_ text: String, after prefix: String) throws(ModelStoreError) {
        let parts = text.dropFirst(prefix.count)
            .split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        let quantisation = parts.count == 2 ? String(parts[1]) : nil
        guard let repository = HubRepository(parts[0]), quantisation?.isEmpty != true else {
            throw .badName(name: text, expected: "\(prefix)OWNER/REPO or \(prefix)OWNER/REPO:QUANT")
        }
        self.init(repository, quantisation: quantisation)
    }
}

extension HubModel: CustomStringConvertible {
    /// The name as it can be given again.
    public var description: String {
        (known?.name ?? "hf:\(repository)") + (quantisation.map { ":\($0)" } ?? "")
    }
}
